import { refusal } from "./refusal.ts";

/**
 * Answers the request unless its body is larger than allowed, by its own word or when it has been counted.
 */
export async function withBodyLimit(
  request: Request,
  bytesMax: number,
  answer: (request: Request) => Response | Promise<Response>,
): Promise<Response> {
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) return refusal("too_large");
  // An upgrade has none, and must stay the runtime's own object.
  if (request.body === null) return answer(request);
  const counted = countBody(request.body, bytesMax);
  try {
    // oxlint-disable-next-line no-invalid-fetch-options -- the method is that of the request
    const response = await answer(new Request(request, { body: counted.body }));
    // Whatever the handler made of the error it got while reading.
    return counted.isTooLarge() ? refusal("too_large") : response;
  } catch (error) {
    if (counted.isTooLarge()) return refusal("too_large");
    throw error;
  }
}

function countBody(body: ReadableStream<Uint8Array>, bytesMax: number) {
  let bytes = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes <= bytesMax) controller.enqueue(chunk);
      else controller.error(new Error("Cannot read request: its body is too large"));
    },
  });
  return { body: body.pipeThrough(counter), isTooLarge: () => bytes > bytesMax };
}
