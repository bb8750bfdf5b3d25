import { describe, expect, test } from "bun:test";
import type { ClientCredential, ClientOptions } from "../../../src/client/mod.ts";
import { echo, errorOf, open, QUICK, state } from "./harness.ts";
import { greeting, type Peer, type Script } from "./peer.ts";

/** A gateway that takes what `wanted` says at the time. */
function guarded(wanted: () => string): Script {
  return {
    connect: ({ id, params }, line) => {
      const { token, password } = (params.auth ?? {}) as ClientCredential;
      if ((token ?? password) === wanted()) return { result: greeting() };
      const data = { code: "unauthorized", retry: "no" };
      line.send({ id, error: { code: "unauthorized", message: "Cannot authenticate: no", data } });
      line.close(4501, "no");
      return undefined;
    },
    request: echo,
  };
}

const presented = (peer: Peer): unknown[] =>
  peer.sent.filter(({ method }) => method === "connect").map(({ params }) => params.auth);

/** A client that is connected with `a`, and each time it looked for others. */
async function connected(
  options: Partial<ClientOptions> & { readonly others: () => readonly ClientCredential[] },
) {
  const { others, ...rest } = options;
  const looks: ClientCredential[] = [];
  let wanted = "a";
  const { client, peer } = open(
    guarded(() => wanted),
    {
      token: "a",
      async *otherCredentials(refused) {
        looks.push(refused);
        yield* others();
      },
      ...rest,
    },
  );
  await client.connect();
  return { client, peer, looks, want: (next: string) => void (wanted = next) };
}

describe("a credential that is refused after a reconnect", () => {
  test("gives way to the first that is taken, which stays", async () => {
    const { client, peer, looks, want } = await connected({
      others: () => [{ token: "b" }, { password: "c" }, { token: "d" }],
    });
    want("c");
    const ready = state(client, "ready");
    peer.lines[0]?.close(4001, "restart");
    await ready;
    expect(await client.request("x", { y: 1 })).toEqual({ y: 1 });
    const again = state(client, "ready");
    peer.lines.at(-1)?.close(4001, "restart");
    await again;
    expect(presented(peer)).toEqual([
      { token: "a" },
      { token: "a" },
      { token: "b" },
      { password: "c" },
      { password: "c" },
    ]);
    expect(looks).toEqual([{ token: "a" }]);
  });

  test("is looked for anew after each good connection", async () => {
    const next = ["b", "c"];
    const { client, peer, looks, want } = await connected({ others: () => [{ token: next.shift() }] });
    for (const token of ["b", "c"]) {
      want(token);
      const ready = state(client, "ready");
      peer.lines.at(-1)?.close(4001, "restart");
      await ready;
    }
    expect(looks).toEqual([{ token: "a" }, { token: "b" }]);
  });

  test("is the end when there is no other one left", async () => {
    const { client, peer, looks, want } = await connected({ others: () => [{ token: "b" }] });
    want("nothing of this");
    const [waiting, closed] = [state(client, "waiting"), state(client, "closed")];
    peer.lines[0]?.close(4001, "restart");
    await waiting;
    const call = errorOf(client.request("x"));
    expect(await closed).toMatchObject({ error: { code: "unauthorized" } });
    expect(await call).toMatchObject({ code: "unauthorized" });
    expect([presented(peer), looks.length]).toEqual([[{ token: "a" }, { token: "a" }, { token: "b" }], 1]);
  });

  test("is the end where looking for another one fails", async () => {
    const { client, peer, want } = await connected({
      others: () => {
        throw new Error("the disk is gone");
      },
    });
    want("b");
    const closed = state(client, "closed");
    peer.lines[0]?.close(4001, "restart");
    const message = expect.stringContaining("the disk is gone");
    expect(await closed).toMatchObject({ error: { code: "internal", message } });
  });

  test("is not looked for by a client that was closed meanwhile", async () => {
    const looking = Promise.withResolvers<void>();
    const found = Promise.withResolvers<void>();
    const { client, peer, want } = await connected({
      others: () => [],
      async *otherCredentials() {
        looking.resolve();
        await found.promise;
        yield { token: "b" };
      },
    });
    want("b");
    peer.lines[0]?.close(4001, "restart");
    await looking.promise;
    await client.close();
    found.resolve();
    // Whatever it would do with what it found, it would have begun before this.
    await new Promise((resolve) => setImmediate(resolve));
    expect([client.state.name, presented(peer).length]).toEqual(["closed", 2]);
  });

  test.each([
    ["at the first connection", {}],
    ["where it does not come back", { reconnect: false }],
  ] as const)("is no reason to look for others %s", async (_, options) => {
    let looks = 0;
    const { client } = open(
      guarded(() => "b"),
      {
        token: "a",
        reconnect: QUICK,
        async *otherCredentials() {
          looks++;
          yield { token: "b" };
        },
        ...options,
      },
    );
    expect(await errorOf(client.connect())).toMatchObject({ code: "unauthorized" });
    expect(looks).toBe(0);
  });
});
