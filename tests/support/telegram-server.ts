/**
 * A Bot API server as Telegram's behaves: updates stay until an offset beyond them is asked for, a second
 * poll ends the first, a webhook and polls exclude each other, markup is read before it is sent.
 *
 * @source core.telegram.org/bots/api: making requests, getting updates, setWebhook, formatting options
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { flawOfHtml, textOfHtml } from "./telegram-html.ts";

type Json = Record<string, unknown>;

/** A call of the bot, as it came. */
export interface BotCall {
  readonly method: string;
  readonly params: Readonly<Json>;
}

export interface TelegramServerOptions {
  readonly token?: string;
  readonly username?: string;
  /** Of the first update. */
  readonly firstUpdate?: number;
}

export const BOT_TOKEN = "123456:AAtest-token-of-a-bot_0123456789ab";
export const BOT_ID = 123_456;

/** Longest wait for what has to come. */
const PATIENCE_MS = 10_000;

/** A failure for the next call of one method; `cut` drops the connection, `hang` never answers. */
type Scripted =
  | { readonly code: number; readonly description: string; readonly parameters?: Json }
  | { readonly cut: true }
  | { readonly hang: true };

export class TelegramServer {
  readonly calls: BotCall[] = [];
  /** Messages the bot has sent, without their markup. */
  readonly sent: { readonly chatId: string; readonly text: string; readonly params: Readonly<Json> }[] = [];
  readonly #token: string;
  readonly #username: string;
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #files = new Map<string, Uint8Array>();
  readonly #scripted = new Map<string, Scripted[]>();
  readonly #watchers = new Set<() => void>();
  #updates: (Json & { readonly update_id: number })[] = [];
  #nextUpdate: number;
  #nextMessage = 1;
  #poll: { readonly end: (code: number) => void; readonly look: () => void } | undefined;
  #webhook: { readonly url: string; readonly secret: string | undefined } | undefined;
  #pushing: Promise<void> = Promise.resolve();
  /** What the bot's webhook has answered, the first one first. */
  readonly pushed: number[] = [];
  /** Polls that have ended another one. */
  conflicts = 0;

  private constructor({
    token = BOT_TOKEN,
    username = "house_bot",
    firstUpdate = 1_000,
  }: TelegramServerOptions) {
    this.#token = token;
    this.#username = username;
    this.#nextUpdate = firstUpdate;
  }

  /** On loopback, on a free port. */
  static async start(options: TelegramServerOptions = {}): Promise<TelegramServer> {
    const server = new TelegramServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get webhook(): { readonly url: string; readonly secret: string | undefined } | undefined {
    return this.#webhook;
  }

  /** Updates nobody has confirmed. */
  get waiting(): number {
    return this.#updates.length;
  }

  stop(): Promise<void> {
    this.#poll?.end(502);
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** Fails the next calls of a method, one each. */
  fail(method: string, ...failures: Scripted[]): void {
    this.#scripted.set(method, [...(this.#scripted.get(method) ?? []), ...failures]);
  }

  /** Puts a file there, to be fetched by its id. */
  file(id: string, content: Uint8Array): void {
    this.#files.set(id, content);
  }

  /** Somebody writes. @returns the number of the message */
  write(message: Json): number {
    const number = (message["message_id"] as number | undefined) ?? this.#nextMessage++;
    this.update({ message: { message_id: number, date: 1_800_000_000, ...message } });
    return number;
  }

  update(update: Json): void {
    this.#updates.push({ update_id: this.#nextUpdate++, ...update });
    this.#poll?.look();
    if (this.#webhook) this.#push();
    this.#changed();
  }

  /** Resolves when it holds; what has come is looked at with each call of the bot. */
  async until<T>(look: () => T | undefined | false): Promise<T> {
    const late = AbortSignal.timeout(PATIENCE_MS);
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      if (late.aborted)
        throw new Error(`nothing in ${PATIENCE_MS} ms, of:\n${JSON.stringify(this.calls, undefined, 1)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.add(resolve);
      late.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      this.#watchers.delete(resolve);
    }
  }

  /** The first message sent that fits, come or coming. */
  said(fits: (text: string, chatId: string) => boolean): Promise<TelegramServer["sent"][number]> {
    return this.until(() => this.sent.find(({ text, chatId }) => fits(text, chatId)));
  }

  // --- serving ---

  #changed(): void {
    for (const watch of [...this.#watchers]) watch();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = /^\/file\/bot([^/]+)\/files\/(.+)$/.exec(pathname);
    if (file) return this.#serveFile(response, { token: file[1], id: file[2] });
    const [, token, method = ""] = /^\/bot([^/]+)\/(\w+)$/.exec(pathname) ?? [];
    const params = JSON.parse((await readText(request)) || "{}") as Json;
    if (token === undefined || !/^\d+:[\w-]+$/.test(token)) return refuse(response, 404, "Not Found");
    if (token !== this.#token) return refuse(response, 401, "Unauthorized");
    this.calls.push({ method, params });
    const scripted = this.#scripted.get(method)?.shift();
    if (scripted && "cut" in scripted) response.destroy();
    else if (scripted && !("hang" in scripted))
      refuse(response, scripted.code, scripted.description, scripted.parameters);
    else if (!scripted) this.#answer(method, params, response);
    this.#changed();
  }

  #serveFile(
    response: ServerResponse,
    { token, id = "" }: { token?: string | undefined; id?: string | undefined },
  ): void {
    const content = token === this.#token ? this.#files.get(id) : undefined;
    if (content) response.writeHead(200, { "content-type": "application/octet-stream" }).end(content);
    else refuse(response, 404, "Not Found");
  }

  #answer(method: string, params: Json, response: ServerResponse): void {
    switch (method) {
      case "getMe":
        return accept(response, this.#me());
      case "getUpdates":
        return this.#getUpdates(params, response);
      case "setWebhook":
        return this.#setWebhook(params, response);
      case "deleteWebhook":
        this.#webhook = undefined;
        if (params["drop_pending_updates"] === true) this.#updates = [];
        return accept(response, true);
      case "getWebhookInfo":
        return accept(response, {
          url: this.#webhook?.url ?? "",
          has_custom_certificate: false,
          pending_update_count: this.#updates.length,
        });
      case "sendMessage":
        return this.#sendMessage(params, response);
      case "sendChatAction":
        return accept(response, true);
      case "getFile": {
        const id = String(params["file_id"]);
        if (!this.#files.has(id)) return refuse(response, 400, "Bad Request: invalid file_id");
        const size = this.#files.get(id)?.length;
        return accept(response, {
          file_id: id,
          file_unique_id: id,
          file_size: size,
          file_path: `files/${id}`,
        });
      }
      default:
        return refuse(response, 404, "Not Found: method not found");
    }
  }

  #me(): Json {
    return { id: BOT_ID, is_bot: true, first_name: "House", username: this.#username, can_join_groups: true };
  }

  #getUpdates(params: Json, response: ServerResponse): void {
    if (this.#webhook) {
      const words =
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
      return refuse(response, 409, words);
    }
    if (this.#poll) this.conflicts++;
    this.#poll?.end(409);
    const {
      offset,
      timeout = 0,
      limit = 100,
    } = params as { offset?: number; timeout?: number; limit?: number };
    if (offset !== undefined) this.#updates = this.#updates.filter(({ update_id }) => update_id >= offset);
    const end = (work: () => void): void => {
      clearTimeout(timer);
      if (this.#poll === poll) this.#poll = undefined;
      work();
    };
    const give = (): void => end(() => accept(response, this.#updates.slice(0, limit)));
    const words =
      "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    const poll = {
      end: (code: number) => end(() => refuse(response, code, code === 409 ? words : "Bad Gateway")),
      look: () => this.#updates.length > 0 && give(),
    };
    const timer = setTimeout(give, timeout * 1_000);
    this.#poll = poll;
    response.on("close", () => end(() => {}));
    poll.look();
  }

  #setWebhook(params: Json, response: ServerResponse): void {
    const { url = "", secret_token: secret } = params as { url?: string; secret_token?: string };
    if (secret !== undefined && !/^[\w-]{1,256}$/.test(secret))
      return refuse(response, 400, "Bad Request: secret token contains unallowed characters");
    this.#poll?.end(409);
    this.#webhook = url === "" ? undefined : { url, secret };
    accept(response, true);
    if (this.#webhook) this.#push();
  }

  /** One after the other, each until it is taken. */
  #push(): void {
    this.#pushing = this.#pushing.then(async () => {
      for (let update = this.#updates[0]; update && this.#webhook; update = this.#updates[0]) {
        const { url, secret } = this.#webhook;
        const headers = {
          "content-type": "application/json",
          ...(secret !== undefined && { "x-telegram-bot-api-secret-token": secret }),
        };
        const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(update) }).catch(
          () => undefined,
        );
        this.pushed.push(answer?.status ?? 0);
        this.#changed();
        if (answer?.ok) this.#updates.shift();
        else return;
      }
    });
  }

  /** What was not taken is pushed again, as after a while. */
  pushAgain(): void {
    this.#push();
  }

  #sendMessage(params: Json, response: ServerResponse): void {
    const {
      chat_id: chat,
      text = "",
      parse_mode: mode,
    } = params as { chat_id?: string | number; text?: string; parse_mode?: string };
    if (chat === undefined || chat === "") return refuse(response, 400, "Bad Request: chat_id is empty");
    if (mode !== undefined && mode !== "HTML")
      return refuse(response, 400, "Bad Request: unsupported parse_mode");
    const flaw = mode === "HTML" ? flawOfHtml(text) : undefined;
    if (flaw !== undefined) return refuse(response, 400, `Bad Request: can't parse entities: ${flaw}`);
    const shown = mode === "HTML" ? textOfHtml(text) : text;
    if (shown.trim() === "") return refuse(response, 400, "Bad Request: message text is empty");
    if (shown.length > 4_096) return refuse(response, 400, "Bad Request: message is too long");
    this.sent.push({ chatId: String(chat), text: shown, params });
    accept(response, {
      message_id: this.#nextMessage++,
      date: 1_800_000_000,
      chat: { id: Number(chat), type: Number(chat) < 0 ? "supergroup" : "private" },
      from: this.#me(),
      text: shown,
    });
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString("utf8");
}

function accept(response: ServerResponse, result: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ok: true, result }));
}

function refuse(response: ServerResponse, code: number, description: string, parameters?: Json): void {
  if (response.destroyed || response.writableEnded) return;
  const body = { ok: false, error_code: code, description, ...(parameters && { parameters }) };
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}
