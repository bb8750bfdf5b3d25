import type { Api } from "grammy/web";
import { type Log, type Outbound, RpcError } from "../api.ts";
import { faultOf } from "./faults.ts";
import type { Settings } from "./settings.ts";
import { split, toHtml } from "./text.ts";

/** @source Bot API, sendMessage: 1-4096 characters */
const UNITS_MAX = 4_096;
const UNITS_MIN = 500;
/** Long messages whose beginning has left already. */
const PARTLY_SENT_MAX = 100;

/** What leaves over one bot. */
export class Sender {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #open: () => Promise<Api>;
  readonly #partlySent = new Map<string, number>();

  constructor(settings: Settings, log: Log, open: () => Promise<Api>) {
    this.#settings = settings;
    this.#log = log;
    this.#open = open;
  }

  /** All parts, one after the other. Given again after a failure, it goes on with the part that failed. */
  async send(message: Outbound): Promise<{ readonly messageId?: string }> {
    const unitsMax = Math.min(Math.max(this.#settings.textChunkLimit, UNITS_MIN), UNITS_MAX);
    const parts = split(message.text, unitsMax);
    const key = JSON.stringify(message);
    let messageId: string | undefined;
    try {
      const api = await this.#open();
      for (let at = this.#partlySent.get(key) ?? 0; at < parts.length; at++) {
        const sent = await this.#part(api, { ...message, text: parts[at] ?? "" }, at === 0);
        messageId ??= `${sent.chat.id}:${sent.message_id}`;
        if (parts.length > 1) this.#remember(key, at + 1);
      }
    } catch (error) {
      const fault = outboundError(error, message.to);
      // Given up: the same words, said again one day, are another message.
      if (!(fault instanceof RpcError)) this.#partlySent.delete(key);
      throw fault;
    }
    this.#partlySent.delete(key);
    return messageId === undefined ? {} : { messageId };
  }

  async #part(api: Api, message: Outbound, isFirst: boolean) {
    const { replyToMode, linkPreview } = this.#settings;
    const { to, threadId, text, replyTo } = message;
    const answered = /\d+$/.exec(replyTo ?? "")?.[0];
    const answers = answered !== undefined && (replyToMode === "all" || (replyToMode === "first" && isFirst));
    const options = {
      ...(threadId !== undefined && { message_thread_id: Number(threadId) }),
      ...(answers && {
        reply_parameters: {
          message_id: Number(answered),
          allow_sending_without_reply: true,
        },
      }),
      ...(!linkPreview && { link_preview_options: { is_disabled: true } }),
    };
    const asHtml = (chat: string | number) =>
      api.sendMessage(chat, toHtml(text), { ...options, parse_mode: "HTML" });
    try {
      return await asHtml(to);
    } catch (error) {
      const { movedTo, message: said } = faultOf(error);
      if (movedTo !== undefined) {
        this.#log.warn("group has another id now", { chat: to, now: movedTo });
        return asHtml(movedTo);
      }
      if (/can't parse entities|text is empty|text must be non-empty/.test(said))
        return api.sendMessage(to, text, options);
      throw error;
    }
  }

  #remember(key: string, parts: number): void {
    this.#partlySent.set(key, parts);
    const [oldest] = this.#partlySent.keys();
    if (this.#partlySent.size > PARTLY_SENT_MAX && oldest !== undefined) this.#partlySent.delete(oldest);
  }
}

function outboundError(error: unknown, to: string): Error {
  const { kind, message, retryAfterMs } = faultOf(error);
  const words = `Cannot send to Telegram chat "${to}": ${message}`;
  if (kind === "final") return new Error(words);
  return new RpcError("unavailable", words, retryAfterMs === undefined ? {} : { retryAfterMs });
}
