import type { z } from "zod";
import { resolvePaths } from "../../config/paths.ts";
import type { configContract } from "../../features/config/contract.ts";
import type { ConfigProblem } from "../../features/config/contract.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { Arguments } from "../args.ts";
import type { CommandInput } from "../command.ts";
import { type Connection, connect } from "../connect.ts";
import { CliError } from "../errors.ts";
import { findTarget, type Target } from "../target.ts";
import { toConfigError } from "./failures.ts";
import type { Place } from "./files.ts";

type Methods = (typeof configContract)["methods"];
type ConfigMethod = keyof Methods;
export type ParamsOf<M extends ConfigMethod> = z.input<Methods[M]["params"]>;
export type ResultOf<M extends ConfigMethod> = z.output<Methods[M]["result"]>;
export type Problem = ConfigProblem;

/** Where the configuration's methods are answered: by the gateway, or by its files where it does not run. */
export interface Desk {
  /** Undefined when no gateway runs. */
  readonly gateway: Connection | undefined;
  /** Where the files are on this machine; undefined when they are on another one. */
  readonly place: Place | undefined;
  call<M extends ConfigMethod>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>>;
  /** Problems of the files that only matter where no gateway tells about them. */
  warnings(): readonly Problem[];
  close(): Promise<void>;
}

/** Does some work at a desk. @throws CliError for everything that can go wrong there */
export async function withDesk<T>(input: CommandInput, work: (desk: Desk) => Promise<T>): Promise<T> {
  const target = await findTarget(input);
  const desk = await openDesk(input, target);
  try {
    return await work(desk);
  } catch (error) {
    throw toConfigError(error, target);
  } finally {
    await desk.close();
  }
}

async function openDesk(input: CommandInput, target: Target): Promise<Desk> {
  const connection = target.isGuess ? undefined : await connectOrNot(input, target);
  if (!connection) return fileDesk(input);
  if (target.isExplicit || (await isAbout(connection, input))) return gatewayDesk(connection);
  await connection.client.close();
  return fileDesk(input);
}

/** @returns undefined when nothing listens on this machine: then the files are all there is */
async function connectOrNot(input: CommandInput, target: Target): Promise<Connection | undefined> {
  try {
    return await connect(input, "config");
  } catch (error) {
    const exitCode = error instanceof CliError ? error.exitCode : undefined;
    if (exitCode === EXIT.unreachable && target.isLoopback && !target.isExplicit) return undefined;
    const isNamed = input.args.text("config") !== undefined;
    if (exitCode !== EXIT.refused || !isNamed || target.isExplicit) throw error;
    // The credential of the file that was named, which need not be the one of the gateway that runs.
    return connect({ ...input, args: withoutConfig(input.args) }, "config");
  }
}

function withoutConfig(args: Arguments): Arguments {
  const isOther = (option: string): boolean => option !== "config";
  return {
    positional: args.positional,
    has: (option) => isOther(option) && args.has(option),
    text: (option) => (isOther(option) ? args.text(option) : undefined),
    whole: (option, min, max) => args.whole(option, min, max),
  };
}

/** Whether the gateway runs on the file that was named, if one was. */
async function isAbout({ client }: Connection, { platform, args }: CommandInput): Promise<boolean> {
  const { env, home } = platform.process;
  const named = resolvePaths({
    env,
    home,
    configPath: args.text("config"),
    stateDir: args.text("state-dir"),
  });
  if (!named.configNamed) return true;
  const running = client.hello?.snapshot.configPath;
  if (running === undefined || running === named.configDefault) return true;
  const [wanted, real] = await Promise.all([named.configDefault, running].map(platform.files.realPath));
  return wanted !== undefined && wanted === real;
}

function gatewayDesk(connection: Connection): Desk {
  const { client, target, timeoutMs } = connection;
  const { configPath, stateDir } = client.hello?.snapshot ?? {};
  return {
    gateway: connection,
    place: target.isLoopback ? { configPath, stateDir } : undefined,
    call: <M extends ConfigMethod>(method: M, params: ParamsOf<M>) =>
      // The gateway checks what it answers against the contract that these types are from.
      client.request(method, params, { timeoutMs }) as Promise<ResultOf<M>>,
    warnings: () => [],
    close: () => client.close(),
  };
}

async function fileDesk(input: CommandInput): Promise<Desk> {
  const { openOffline } = await import("./offline.ts");
  const { files, answers, call } = await openOffline(input);
  return {
    gateway: undefined,
    place: {},
    async call<M extends ConfigMethod>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>> {
      // A handler of this very method; what it takes and gives is what the contract says.
      const answer = answers[method] as (params: ParamsOf<M>, given: typeof call) => unknown;
      return (await answer(params, call)) as ResultOf<M>;
    },
    warnings: files.unset,
    close: () => Promise.resolve(),
  };
}
