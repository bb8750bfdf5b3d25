import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ReloadPlan } from "../../src/config/plan.ts";
import { ERRORS, type ErrorCode, RpcError } from "../../src/contract/errors.ts";
import { configContract } from "../../src/features/config/contract.ts";
import { loadConfiguration } from "../../src/gateway/configuration.ts";
import { createLive, type Live } from "../../src/gateway/live.ts";
import { quietPlatform } from "./gateway.ts";
import { tempDir } from "./temp.ts";
import { createFakeTime, type FakeTime } from "./time.ts";

type Methods = (typeof configContract)["methods"];

/** The configuration's methods over real files, no gateway around them, in time that passes when told to. */
export interface Desk {
  readonly live: Live;
  readonly store: Awaited<ReturnType<typeof loadConfiguration>>["store"];
  readonly time: FakeTime;
  readonly path: string;
  readonly stateDir: string;
  readonly log: string[];
  readonly events: { readonly event: string; readonly payload: object }[];
  readonly plans: ReloadPlan[];
  /** What the next start of a feature fails with. */
  fault: string | undefined;
  restarts: number;
  /** Parameters and result are held against the contract. @throws RpcError */
  call(method: keyof Methods, params?: object, connectedMs?: number): Promise<Record<string, unknown>>;
  /** The code and the message that a call is refused with. */
  refusal(method: keyof Methods, params?: object): Promise<string>;
  put(texts: Readonly<Record<string, string>>): void;
  read(name: string): string | undefined;
  hash(): Promise<string>;
}

export async function openDesk(
  texts: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Desk> {
  const home = tempDir();
  const stateDir = join(home, ".clawdbot");
  const put: Desk["put"] = (given) => {
    for (const [name, text] of Object.entries(given)) {
      mkdirSync(dirname(join(stateDir, name)), { recursive: true, mode: 0o700 });
      writeFileSync(join(stateDir, name), text);
    }
  };
  put(texts);
  const quiet = quietPlatform({ home, env });
  const time = createFakeTime();
  // The writer's wait for a lock passes by itself; nothing here ever waits for one.
  const platform = { ...quiet.platform, timers: time.timers, clock: time.clock };
  const loaded = await loadConfiguration(undefined, platform, {});
  const { store } = loaded;
  const state = { fault: undefined as string | undefined, restarts: 0 };
  const events: Desk["events"] = [];
  const plans: ReloadPlan[] = [];
  const live = createLive({
    platform,
    loaded,
    broadcast: (event, payload) => void events.push({ event, payload: structuredClone(payload) }),
    async apply(plan, config) {
      if (desk.fault !== undefined) throw new Error(desk.fault);
      plans.push(plan);
      store.use(config);
    },
    restart: () => void (desk.restarts += 1),
    settled: async () => {},
    follow: () => {},
  });

  live.started();

  const call: Desk["call"] = async (method, params = {}, connectedMs = 0) => {
    const spec = configContract.methods[method];
    const answer = live.answers[method] as (params: object, call: object) => unknown;
    const caller = {
      connId: "c",
      subject: "s",
      name: "s",
      scopes: ["admin"],
      connectedMs,
      onGone: () => () => {},
    };
    const fail = (code: ErrorCode, message: string, extra?: object): never => {
      throw new RpcError(code, message, extra);
    };
    const result = await answer(spec.params.parse(params), { caller, fail });
    return spec.result.parse(result);
  };

  const desk: Desk = Object.assign(state, {
    live,
    store,
    time,
    path: join(stateDir, "moltbot.json"),
    stateDir,
    log: quiet.log,
    events,
    plans,
    call,
    put,
    async refusal(method: keyof Methods, params?: object): Promise<string> {
      try {
        return `answered: ${JSON.stringify(await call(method, params))}`;
      } catch (error) {
        if (!(error instanceof RpcError) || !(error.code in ERRORS)) throw error;
        return `${error.code}: ${error.message}`;
      }
    },
    read(name: string): string | undefined {
      const path = join(stateDir, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
    hash: async () => String((await call("config.get"))["hash"]),
  });
  return desk;
}
