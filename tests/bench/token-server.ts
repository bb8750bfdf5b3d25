/**
 * A model in a process of its own, OpenAI-compatible: whoever asks gets tokens at a steady pace, each of
 * them the time of its leaving. First line of output: its URL.
 */
const TOKENS_PER_SECOND = Number(process.env["BENCH_TOKENS_PER_SECOND"] ?? 50);
const TOKENS = Number(process.env["BENCH_TOKENS"] ?? 1_000);

const encoder = new TextEncoder();
const chunk = (delta: object, finish: string | null): Uint8Array =>
  encoder.encode(
    `data: ${JSON.stringify({
      id: "c",
      object: "chat.completion.chunk",
      created: 1,
      model: "tokens",
      choices: [{ index: 0, delta, finish_reason: finish }],
    })}\n\n`,
  );

/** The time in ms since 1970, to a tenth, and a space: as long as a long word. */
const stamp = (): string => `${(performance.timeOrigin + performance.now()).toFixed(1)} `;

function tokens(): ReadableStream<Uint8Array> {
  let timer: ReturnType<typeof setInterval>;
  return new ReadableStream({
    start(controller) {
      let left = TOKENS;
      timer = setInterval(() => {
        if (left-- > 0) return controller.enqueue(chunk({ content: stamp() }, null));
        clearInterval(timer);
        controller.enqueue(chunk({}, "stop"));
        controller.enqueue(encoder.encode("data: [DONE]\n\n"));
        controller.close();
      }, 1_000 / TOKENS_PER_SECOND);
    },
    cancel: () => clearInterval(timer),
  });
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  fetch({ url }) {
    if (new URL(url).pathname.endsWith("/models"))
      return Response.json({ object: "list", data: [{ id: "tokens", object: "model" }] });
    return new Response(tokens(), { headers: { "content-type": "text/event-stream" } });
  },
});
console.log(`http://127.0.0.1:${server.port}/v1`);
