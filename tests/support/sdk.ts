import { onTestFinished } from "bun:test";
import {
  type ClientEvents,
  type ClientOptions,
  createGatewayClient,
  type GatewayClient,
} from "../../src/client/mod.ts";

/** What does not come within this does not come. */
const WAIT_MS = 15_000;

/** One thing that the client told, in the order in which it did. */
export interface Told {
  readonly event: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** A client of the SDK that remembers what it was told. */
export interface Listener {
  readonly client: GatewayClient;
  /** Events, and as `state` every state of the connection. */
  readonly told: readonly Told[];
  /** The first thing told that fits, come or coming. */
  until(what: string, fits: (told: Told) => boolean): Promise<Told>;
  /** The same among the `chat` events of one run. */
  chat<S extends Chat["state"]>(runId: string, state: S): Promise<Extract<Chat, { state: S }>>;
}

type Chat = ClientEvents["chat"];

/** Connects; inside a test only, at whose end it is closed. */
export async function listen(
  { url }: { readonly url: string },
  options: Omit<ClientOptions, "url">,
): Promise<Listener> {
  const client = createGatewayClient({ url: `${url.replace(/^http/, "ws")}/ws`, ...options });
  onTestFinished(() => client.close());
  const told: Told[] = [];
  const waiting: { fits: (told: Told) => boolean; found: (told: Told) => void }[] = [];
  const tell = (one: Told): void => {
    told.push(one);
    for (const { fits, found } of waiting) if (fits(one)) found(one);
  };
  client.onAny((event, payload) => tell({ event, payload }));
  client.onState((state) => tell({ event: "state", payload: { ...state } }));
  await client.connect();

  const until: Listener["until"] = async (what, fits) => {
    const come = told.find(fits);
    if (come) return come;
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    const late = (): Error => new Error(`no ${what} within ${WAIT_MS} ms: ${JSON.stringify(told)}`);
    const timer = setTimeout(() => reject(late()), WAIT_MS);
    waiting.push({ fits, found: resolve });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    client,
    told,
    until,
    async chat(runId, state) {
      const fits = ({ event, payload }: Told): boolean =>
        event === "chat" && payload["runId"] === runId && payload["state"] === state;
      const { payload } = await until(`chat event "${state}" of run ${runId}`, fits);
      // What the SDK promises of an event with this name; its state was just looked at.
      return payload as unknown as Extract<Chat, { state: typeof state }>;
    },
  };
}
