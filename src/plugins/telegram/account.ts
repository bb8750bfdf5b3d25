import type { Api } from "grammy/web";
import type { Update, UserFromGetMe } from "grammy/types";
import { type ChannelLink, type Inbound, type Outbound, type PluginContext, RpcError, z } from "../api.ts";
import { aborted, faultOf, keepTrying, NoToken } from "./faults.ts";
import { type Heard, toHeard } from "./inbound.ts";
import { Sender } from "./outbound.ts";
import type { Settings } from "./settings.ts";

const POLL_SECONDS = 30;
/** Well within the time that a pushed update may take. */
const PICTURE_MS = 15_000;
/** Numbers of updates begin anew after a quiet week. @source Bot API, Update.update_id */
const OFFSET_MS_MAX = 6 * 24 * 60 * 60_000;

/** Up to where updates were read, as it is stored. */
const Read = z.object({ next: z.int(), atMs: z.number() });

interface Running {
  readonly me: UserFromGetMe;
  readonly link: ChannelLink;
}

/** One bot: what was written to it, and what it says. */
export class TelegramAccount {
  readonly #id: string;
  readonly #settings: Settings;
  readonly #ctx: PluginContext;
  readonly #secret: string;
  readonly #sender: Sender;
  #running: Running | undefined;

  constructor(id: string, settings: Settings, ctx: PluginContext) {
    this.#id = id;
    this.#settings = settings;
    this.#ctx = ctx;
    this.#secret = settings.webhookSecret ?? crypto.randomUUID();
    this.#sender = new Sender(settings, ctx.log, () => this.#api(ctx.signal));
  }

  /** Until its signal is aborted. What Telegram refuses for good is not tried again. */
  async run(link: ChannelLink): Promise<void> {
    const { signal } = link;
    try {
      link.status({ state: "connecting" });
      const api = await this.#api(signal);
      const me = await keepTrying(this.#ctx.timers, link, () => api.getMe());
      this.#running = { me, link };
      if (this.#settings.webhookUrl === undefined) await this.#poll(api, this.#running);
      else await this.#listen(api, this.#running, this.#settings.webhookUrl);
    } catch (error) {
      if (signal.aborted) return;
      const { kind, message } = faultOf(error);
      // Not what was caught: the library's errors hold addresses, and those the token.
      if (kind !== "refused") throw new Error(message);
      link.status({ state: "failed", detail: message });
      await aborted(signal);
    } finally {
      this.#running = undefined;
    }
  }

  /** Before a body is read. As long as the secret, whatever is given is compared in the same time. */
  isTelegram(headers: Readonly<Record<string, string>>): boolean {
    const given = headers["x-telegram-bot-api-secret-token"] ?? "";
    let difference = given.length ^ this.#secret.length;
    for (let at = 0; at < this.#secret.length; at++)
      difference |= given.charCodeAt(at) ^ this.#secret.charCodeAt(at);
    return difference === 0;
  }

  /** An update that was pushed; Telegram pushes it again unless this resolves. @throws RpcError */
  async deliver(update: unknown): Promise<void> {
    if (typeof update !== "object" || update === null || !("update_id" in update))
      throw new RpcError("invalid_request", "Cannot read the update: it has no number");
    if (!this.#running) throw new RpcError("unavailable", `Cannot hear "${this.#id}": it is not connected`);
    // Telegram has shown that it knows the secret.
    await this.#hear(update as Update, this.#running);
  }

  send(message: Outbound): Promise<{ readonly messageId?: string }> {
    return this.#sender.send(message);
  }

  async typing({ to, threadId }: Pick<Outbound, "to" | "threadId">): Promise<void> {
    const thread = threadId === undefined ? {} : { message_thread_id: Number(threadId) };
    try {
      await (await this.#api(this.#ctx.signal)).sendChatAction(to, "typing", thread);
    } catch (error) {
      this.#ctx.log.debug("typing not shown", { error: faultOf(error).message });
    }
  }

  /** Has Telegram deliver nowhere, and forgets how far it was read. */
  async logout(): Promise<boolean> {
    const api = await this.#api(this.#ctx.signal);
    const offsets = await this.#ctx.store.list({ prefix: `offset:${this.#id}:` });
    await this.#ctx.store.setMany(Object.fromEntries(offsets.map(({ key }) => [key, undefined])));
    try {
      const { url = "" } = await api.getWebhookInfo();
      if (url !== "") await api.deleteWebhook();
      return url !== "" || offsets.length > 0;
    } catch (error) {
      throw new RpcError("unavailable", `Cannot log out "${this.#id}": ${faultOf(error).message}`);
    }
  }

  /** The library is loaded for the first account that is used. Whatever is asked ends with the signal. */
  async #api(signal: AbortSignal): Promise<Api> {
    const { botToken, tokenFile, apiRoot } = this.#settings;
    const token = tokenFile === undefined ? botToken : await this.#ctx.files.readText(tokenFile);
    if (token === undefined || token.trim() === "")
      throw new NoToken(`account "${this.#id}" has no bot token`);
    const { Api } = await import("grammy/web");
    const fetch = (url: string, init: RequestInit = {}): Promise<Response> =>
      this.#ctx.fetch(url, {
        ...init,
        signal: AbortSignal.any([signal, ...(init.signal ? [init.signal] : [])]),
      });
    return new Api(token.trim(), {
      apiRoot,
      // A poll that is answered by nobody ends, too.
      timeoutSeconds: POLL_SECONDS + 10,
      fetch,
    });
  }

  /** Telegram delivers, to a route of the plugin. */
  async #listen(api: Api, { me, link }: Running, url: string): Promise<void> {
    const options = { secret_token: this.#secret, allowed_updates: ["message"] as const };
    await keepTrying(this.#ctx.timers, link, () => api.setWebhook(url, options));
    link.status({ state: "connected", detail: `@${me.username}` });
    await aborted(link.signal);
  }

  /** An update counts as read, here and at Telegram, when the gateway has it. */
  async #poll(api: Api, running: Running): Promise<void> {
    const { me, link } = running;
    const { timers, clock, store } = this.#ctx;
    const key = `offset:${this.#id}:${me.id}`;
    const patient = <T>(work: (tries: number) => Promise<T>): Promise<T> => keepTrying(timers, link, work);
    await patient(() => api.deleteWebhook());
    link.status({ state: "connected", detail: `@${me.username}` });
    let read = Read.safeParse(await store.get(key)).data;
    while (!link.signal.aborted) {
      const offset = read && clock.now() - read.atMs < OFFSET_MS_MAX ? { offset: read.next } : {};
      const updates = await patient((tries) => {
        // After a failure an answer at once, to know that it is over.
        const timeout = tries === 0 ? POLL_SECONDS : 0;
        return api.getUpdates({ ...offset, timeout, allowed_updates: ["message"] });
      });
      for (const update of updates) {
        await patient(() => this.#hear(update, running));
        read = { next: update.update_id + 1, atMs: clock.now() };
        await patient(() => store.set(key, read));
      }
    }
  }

  /** @throws what may go well later; anything else is told to the owner, and passed over */
  async #hear({ message }: Update, { me, link }: Running): Promise<void> {
    if (!message) return;
    const { log } = this.#ctx;
    try {
      const { migrate_to_chat_id: now, chat } = message;
      if (now !== undefined) log.warn("group has another id now", { account: this.#id, chat: chat.id, now });
      const heard = toHeard(message, me, this.#settings);
      if (heard) await link.receive(await this.#withPicture(heard, link.signal));
    } catch (error) {
      if (link.signal.aborted || faultOf(error).kind !== "final") throw error;
      log.error("message not taken", { account: this.#id, error: faultOf(error).message });
    }
  }

  /** A picture that cannot be had is said to be missing: the words count more. */
  async #withPicture({ inbound, picture }: Heard, signal: AbortSignal): Promise<Inbound> {
    if (!picture) return inbound;
    const { timers, log } = this.#ctx;
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PICTURE_MS)]);
    try {
      const link = { signal: patience, status: () => {} };
      const data = await keepTrying(timers, link, () => this.#download(picture.fileId, patience));
      return { ...inbound, images: [{ mimeType: picture.mimeType, data }] };
    } catch (error) {
      signal.throwIfAborted();
      log.warn("picture not loaded", { account: this.#id, error: faultOf(error).message });
      return { ...inbound, text: `${inbound.text}\n[picture: could not be loaded]`.trim() };
    }
  }

  /** @returns base64 */
  async #download(fileId: string, signal: AbortSignal): Promise<string> {
    const { apiRoot, mediaMaxMb } = this.#settings;
    const api = await this.#api(signal);
    const { file_path: path = "" } = await api.getFile(fileId);
    const response = await this.#ctx
      .fetch(`${apiRoot}/file/bot${api.token}/${path}`, { signal })
      .catch(() => {
        throw new RpcError("unavailable", "Telegram cannot be reached");
      });
    if (!response.ok) throw new RpcError("unavailable", `Telegram says ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > mediaMaxMb * 1024 * 1024) throw new Error(`it is larger than ${mediaMaxMb} MiB`);
    return bytes.toBase64();
  }
}
