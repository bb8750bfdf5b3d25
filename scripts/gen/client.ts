import type { EventEntry, MethodEntry, Protocol } from "./protocol.ts";
import { docComment, toTypeScript } from "./types.ts";

const HEAD = `// Generated from the contracts by \`bun run gen\`; do not edit.

/** No keys at all. */
export type Empty = Record<string, never>;
`;

/** The source text of the client's types. Only what a running client needs is a value. */
export function toClientTypes(protocol: Protocol): string {
  const lists = [
    { name: "ErrorCode", values: Object.keys(protocol.errors) },
    { name: "Scope", values: protocol.scopes },
  ];
  const sent = { lists, undefinable: true };
  const got = { lists, undefinable: false };
  // A shape that only params use is an input, the others are what the gateway sends.
  const shapes = Object.entries(protocol.shapes).map(([name, shape]) =>
    declare(name, usedBy(name, protocol), toTypeScript(shape, name === "ConnectParams" ? sent : got)),
  );
  const methods = Object.entries(protocol.methods).map(
    ([name, method]) =>
      `${docComment([method.summary, "", facts(method)])}${key(name)}: {\n` +
      `params: ${toTypeScript(method.params, sent)};\nresult: ${toTypeScript(method.result, got)};\n};\n`,
  );
  const events = Object.entries(protocol.events).map(
    ([name, event]) =>
      `${docComment([event.summary, "", eventFacts(event)])}${key(name)}: ${toTypeScript(event.payload, got)};\n`,
  );
  return [
    HEAD,
    `/** The protocol this client speaks. */\nexport const PROTOCOL_VERSION = ${protocol.version};\n`,
    declare("Scope", "What a client may do.", union(protocol.scopes)),
    declare("ErrorCode", "Why a request failed.", union(Object.keys(protocol.errors))),
    `/** Why the gateway closed the socket: 4000–4499 "come back", 4500–4999 "do not". */\n` +
      `export const CLOSE = ${JSON.stringify(protocol.closeCodes)} as const;\n`,
    ...shapes,
    `/** Every method of the gateway itself; plugins may add others. */\nexport interface Methods {\n${methods.join("")}}\n`,
    `/** What each event of the gateway itself carries; plugins may add others. */\nexport interface Events {\n${events.join("")}}\n`,
    `/** Methods that cannot do without an idempotency key. */\n` +
      `export const KEYED_METHODS: readonly string[] = ${JSON.stringify(keyedMethods(protocol))};\n`,
  ].join("\n");
}

/** Says where a shape occurs: its schema has no words of its own. */
function usedBy(name: string, protocol: Protocol): string {
  const all: Record<string, unknown> = {
    connect: protocol.connect,
    ...protocol.shapes,
    ...protocol.methods,
    ...protocol.events,
  };
  const users = Object.entries(all).filter(([, value]) =>
    JSON.stringify(value).includes(`"#/shapes/${name}"`),
  );
  return `Part of ${users.map(([user]) => `\`${user}\``).join(", ")}.`;
}

function keyedMethods(protocol: Protocol): string[] {
  return Object.entries(protocol.methods)
    .filter(([, method]) => method.params.required?.includes("idempotencyKey"))
    .map(([name]) => name);
}

function facts(method: MethodEntry): string {
  const errors = method.errors.length === 0 ? "" : `; errors: ${method.errors.join(", ")}`;
  return `scope: ${method.scope}${method.effect ? "; changes something" : ""}${errors}`;
}

function eventFacts(event: EventEntry): string {
  return `scope: ${event.scope}; delivery: ${event.delivery}${event.replay ? "" : "; not replayed"}`;
}

function declare(name: string, doc: string | undefined, type: string): string {
  return `${docComment([doc])}export type ${name} = ${type};\n`;
}

function union(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value)).join(" | ");
}

function key(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
}
