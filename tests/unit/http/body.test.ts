import { expect, test } from "bun:test";
import { RpcError } from "../../../src/contract/errors.ts";
import { readBody } from "../../../src/http/body.ts";
import { createFakeTime } from "../../support/time.ts";

const BYTES_MAX = 64 * 1024;

function read(body: ReadableStream<Uint8Array> | string | undefined) {
  const time = createFakeTime();
  const request = new Request("http://gateway/", { method: "POST", ...(body !== undefined && { body }) });
  const reading = readBody(request, { timers: time.timers, bytesMax: BYTES_MAX, ms: 1_000 });
  const code = reading.then(
    () => "read",
    (error: unknown) => (error instanceof RpcError ? error.code : String(error)),
  );
  return { time, reading, code };
}

/** So many pieces of so many bytes, one after the other, as they are asked for. */
function piecesOf(count: number, bytes: number): ReadableStream<Uint8Array> {
  let left = count;
  return new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(new Uint8Array(bytes).fill(left % 256));
      else controller.close();
    },
  });
}

test("a body is what was sent, in however many pieces", async () => {
  expect(await read(undefined).reading).toEqual(new Uint8Array());
  expect(new TextDecoder().decode(await read("größe").reading)).toBe("größe");
  const whole = await read(piecesOf(1_000, 7)).reading;
  expect(whole).toEqual(new Uint8Array(7_000).map((_, at) => (999 - Math.floor(at / 7)) % 256));
  expect((await read(piecesOf(8, BYTES_MAX / 8)).reading).length).toBe(BYTES_MAX);
});

test("one byte too many, or all of them one by one, are refused while they come", async () => {
  expect(await read("x".repeat(BYTES_MAX + 1)).code).toBe("too_large");
  expect(await read(piecesOf(8, BYTES_MAX / 8 + 1)).code).toBe("too_large");
  expect(await read(piecesOf(BYTES_MAX / 2, 1)).code).toBe("too_large");
});

test("one that does not come, and one that is cut off", async () => {
  const { time, code } = read(new ReadableStream());
  time.advance(1_000);
  expect(await code).toBe("timeout");
  const cut = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("gone")) });
  expect(await read(cut).code).toBe("invalid_request");
});
