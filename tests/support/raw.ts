import { connect, type Socket } from "node:net";

/** Sends bytes as they are and answers with what came until the other end closed or `until` matched. */
export function rawRequest(port: number, text: string, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    const done = (): void => {
      socket.destroy();
      resolve(got);
    };
    socket.on("data", (chunk) => {
      got += chunk.toString("latin1");
      if (until?.test(got)) done();
    });
    socket.on("end", done);
    socket.on("error", reject);
    socket.setTimeout(10_000, () => reject(new Error(`no end within 10 s: ${got.slice(0, 200)}`)));
  });
}

/** The head of an upgrade request, closed after the answer unless it is one to stay for. */
export function upgradeHead(headers: readonly string[], path = "/ws"): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
    "",
    "",
  ].join("\r\n");
}

/** A client that completes the upgrade, follows every session, and then reads nothing until told to. */
export function openDeaf(
  port: number,
  token: string,
): Promise<{ readonly socket: Socket; read(): Promise<string> }> {
  return new Promise((resolve, reject) => {
    const head = upgradeHead([`Host: 127.0.0.1:${port}`, `Authorization: Bearer ${token}`]);
    const socket = connect(port, "127.0.0.1", () => socket.write(head));
    socket.once("error", reject);
    let heard = "";
    const hear = (chunk: Buffer): void => {
      if (heard === "") {
        socket.write(textFrame('{"id":"follow","method":"events.subscribe","params":{"sessions":"all"}}'));
      }
      heard += chunk.toString("latin1");
      if (!heard.includes('"id":"follow"')) return;
      socket.off("data", hear);
      socket.pause();
      resolve({
        socket,
        read: () =>
          new Promise((done) => {
            let got = "";
            socket.on("data", (chunk) => (got += chunk.toString("latin1")));
            socket.on("close", () => done(got));
            socket.resume();
          }),
      });
    };
    socket.on("data", hear);
  });
}

/** One frame as a client sends it, masked with zeros; RFC 6455 §5.2. */
function textFrame(text: string): Buffer {
  const body = Buffer.from(text);
  if (body.length > 125) throw new Error("too long for a frame of this kind");
  return Buffer.concat([Buffer.from([0x81, 0x80 | body.length, 0, 0, 0, 0]), body]);
}
