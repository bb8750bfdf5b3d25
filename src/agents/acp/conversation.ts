import type { Definition } from "../mcp/definition.ts";
import { PROGRAM_MODEL } from "../providers.ts";
import { isObject } from "../../rpc/json.ts";
import { type Fields, listOf, record, textOf } from "../values.ts";
import type { Connection } from "./connection.ts";
import { Broken, type Failures, loginWords, shownNames } from "./failures.ts";
import { acpIdOf } from "./note.ts";
import { toMcpServers } from "./servers.ts";

/** What an agent does before it answers may be to start servers of its own. */
const SETUP_MS = 60_000;

/** The agent's own session, on one connection. */
export class Conversation {
  readonly connection: Connection;
  readonly id: string;
  /** It knows what was said before: it was taken up again, or has been told. */
  isInformed: boolean;
  readonly #models: Models | undefined;
  #model: string | undefined;

  private constructor(connection: Connection, id: string, options: { isInformed: boolean; answer: Fields }) {
    this.connection = connection;
    this.id = id;
    this.isInformed = options.isInformed;
    this.#models = modelsOf(options.answer);
    this.#model = this.#models?.current;
  }

  /** Takes up the session of this id where the agent can and still has it, or begins another one. */
  static async open(connection: Connection, wanted: Wanted): Promise<Conversation> {
    const { known, failures } = wanted;
    const taken = known === undefined ? undefined : await takeUp(connection, known, wanted);
    if (known !== undefined && taken)
      return new Conversation(connection, known, { isInformed: true, answer: taken });
    const answer = await begin(connection, wanted);
    const id = acpIdOf(answer["sessionId"]);
    if (id === undefined) throw failures.of("unavailable", "the agent began a session without an id");
    return new Conversation(connection, id, { isInformed: false, answer });
  }

  /** @throws RpcError `not_found` when the agent offers no such model */
  async useModel(wanted: string, failures: Failures): Promise<void> {
    const models = this.#models;
    const model = wanted === PROGRAM_MODEL ? models?.current : wanted;
    if (model === undefined || model === this.#model) return;
    if (models === undefined) {
      throw failures.of(
        "not_found",
        `the agent offers no choice of models; "${PROGRAM_MODEL}" is what it takes itself`,
      );
    }
    if (!models.names.includes(model)) {
      throw failures.of("not_found", `the agent offers ${shownNames(models.names)}`);
    }
    await this.connection.request(models.method, models.params(this.id, model), SETUP_MS);
    this.#model = model;
  }
}

type Wanted = {
  /** The id of the session that it had. */
  readonly known: string | undefined;
  readonly workspace: string;
  readonly servers: readonly Definition[];
  readonly failures: Failures;
};

async function takeUp(
  connection: Connection,
  sessionId: string,
  { workspace: cwd, servers }: Wanted,
): Promise<Fields | undefined> {
  const { capabilities } = connection;
  const canResume = isObject(record(capabilities["sessionCapabilities"])["resume"]);
  // Resumed it repeats nothing; loaded it tells the whole conversation again, which nobody listens to.
  const method = canResume
    ? "session/resume"
    : capabilities["loadSession"] === true
      ? "session/load"
      : undefined;
  if (method === undefined) return undefined;
  const mcpServers = toMcpServers(servers, capabilities);
  try {
    return await connection.request(method, { sessionId, cwd, mcpServers }, SETUP_MS);
  } catch (error) {
    if (error instanceof Broken) throw error;
    // It has it no more: another one is begun, and told what was said.
    return undefined;
  }
}

async function begin(connection: Connection, wanted: Wanted): Promise<Fields> {
  const { workspace: cwd, servers, failures } = wanted;
  const mcpServers = toMcpServers(servers, connection.capabilities);
  try {
    return await connection.request("session/new", { cwd, mcpServers }, SETUP_MS);
  } catch (error) {
    const failure = failures.from(error);
    if (failure.code === "forbidden") {
      const login = loginWords(connection.authMethods);
      throw login === "" ? failure : failures.of("forbidden", `the agent wants to be logged in: ${login}`);
    }
    if (error instanceof Broken || mcpServers.length === 0) throw failure;
    // A server of tools that is not there is no reason not to answer.
    connection.warn("agent does not begin with its servers of tools", failure.message);
    return await begin(connection, { ...wanted, servers: [] });
  }
}

/** How the agent lets its model be chosen. */
type Models = {
  readonly names: readonly string[];
  readonly current: string | undefined;
  readonly method: string;
  params(sessionId: string, model: string): Fields;
};

function modelsOf(answer: Fields): Models | undefined {
  const option = listOf(answer["configOptions"])
    .map((candidate) => record(candidate))
    .find(({ category, id, type }) => type === "select" && (category === "model" || id === "model"));
  if (option) {
    return {
      names: namesOf(option["options"], "value"),
      current: textOf(option["currentValue"]),
      method: "session/set_config_option",
      params: (sessionId, value) => ({ sessionId, configId: option["id"], value }),
    };
  }
  // How older agents offer it.
  const models = answer["models"];
  if (!isObject(models)) return undefined;
  return {
    names: namesOf(models["availableModels"], "modelId"),
    current: textOf(models["currentModelId"]),
    method: "session/set_model",
    params: (sessionId, modelId) => ({ sessionId, modelId }),
  };
}

/** Options may be in groups. */
function namesOf(options: unknown, key: string): string[] {
  return listOf(options).flatMap((option) => {
    const fields = record(option);
    const name = textOf(fields[key]);
    return name === undefined ? namesOf(fields["options"], key) : [name];
  });
}
