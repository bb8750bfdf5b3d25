import { ERRORS, RpcError } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Caller } from "../feature.ts";
import { chooseCodec } from "../rpc/codecs/choose.ts";
import type { Codec, Incoming, Reply } from "../rpc/codecs/codec.ts";
import { plain } from "../rpc/codecs/plain.ts";
import type { Dispatcher } from "../rpc/dispatch.ts";
import { parseJson } from "../rpc/json.ts";
import { batchFull, refuse } from "../rpc/refusals.ts";
import { jsonText, refusal } from "./respond.ts";

/** An answer and the status it would have alone. */
type Answer = { readonly text: string; readonly status: number };

/**
 * One request or a JSON-RPC batch in a body, through the same dispatcher as the socket's.
 *
 * @source PROTOCOL §1, §2
 */
export async function serveRpc(request: Request, dispatcher: Dispatcher, caller: Caller): Promise<Response> {
  if (!isJson(request.headers.get("content-type"))) {
    return refusal(
      new RpcError("invalid_request", "Cannot read body: its content type is not application/json"),
    );
  }
  const text = await readBody(request);
  const parsed = text instanceof RpcError ? text : parseJson(text);
  if (parsed instanceof RpcError) {
    // The dialect cannot be told: our own, as on a socket.
    return jsonText(plain.reply(null, refuse(parsed)), ERRORS[parsed.code].http);
  }
  const codec = chooseCodec(parsed.value);
  const incoming = codec.decode(parsed.value);
  if (incoming.kind !== "batch") {
    const answer = await serveOne({ codec, dispatcher, caller }, incoming);
    return answer ? jsonText(answer.text, answer.status) : new Response(null, { status: 204 });
  }
  const answers: Answer[] = [];
  let chars = 0;
  // One after the other: a body of a hundred requests has no more right to the machine than one.
  for (const item of incoming.items) {
    // Nobody is there for the answers: what has not begun need not.
    if (request.signal.aborted) break;
    const isFull = item.kind === "request" && item.id !== undefined && chars > LIMITS.batchReplyCharsMax;
    const taken: Incoming = isFull ? { kind: "invalid", id: item.id ?? null, error: batchFull() } : item;
    const answer = await serveOne({ codec, dispatcher, caller }, taken);
    if (!answer) continue;
    answers.push(answer);
    chars += answer.text.length;
  }
  if (answers.length === 0) return new Response(null, { status: 204 });
  return jsonText(codec.batch(answers.map((answer) => answer.text)));
}

interface Parts {
  readonly codec: Codec;
  readonly dispatcher: Dispatcher;
  readonly caller: Caller;
}

/** @returns undefined for a notification */
async function serveOne(
  { codec, dispatcher, caller }: Parts,
  incoming: Incoming,
): Promise<Answer | undefined> {
  if (incoming.kind === "batch") return undefined;
  const reply: Reply =
    incoming.kind === "invalid"
      ? refuse(incoming.error)
      : await dispatcher.dispatch(incoming.method, incoming.params, caller);
  if (incoming.id === undefined) return undefined;
  return { text: codec.reply(incoming.id, reply), status: reply.ok ? 200 : ERRORS[reply.error.code].http };
}

/** The body whole; a client that leaves in the middle of it is no error of ours. */
async function readBody(request: Request): Promise<string | RpcError> {
  try {
    return await request.text();
  } catch (cause) {
    return new RpcError("invalid_request", "Cannot read body: it was cut off", { cause });
  }
}

/** A form or plain text is what another site's page can send without asking. @source THREATS T28 */
function isJson(contentType: string | null): boolean {
  return contentType?.split(";")[0]?.trim().toLowerCase() === "application/json";
}
