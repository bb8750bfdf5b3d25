import type { GatewayClient, Resync } from "../../src/client/mod.ts";

/** Compiled, never run: what the client's types must accept, and each line they must refuse. */
export async function accepts(gateway: GatewayClient): Promise<string[]> {
  const { triggers } = await gateway.call("voicewake.get");
  await gateway.call("health", {}, { timeoutMs: 1_000 });
  await gateway.call("sessions.list", { search: undefined });
  await gateway.call("chat.send", { sessionKey: "main", message: "hi" }, { idempotencyKey: "k" });
  gateway.on("chat", (event) => (event.state === "delta" ? event.delta : event.message?.content));
  await gateway.call("events.subscribe", { sessions: "all" });
  await gateway.call("events.subscribe", { sessions: ["main"], events: ["chat"] });
  await gateway.call("sessions.patch", { key: "main", queueMode: "steer", instructions: null });
  gateway.on("approval.requested", ({ approval }) => approval.decision ?? approval.title);
  gateway.on("resync", (resync: Resync) => resync.from);
  const answer: unknown = await gateway.request("plugin.method", { any: "thing" });
  return [...triggers, String(answer)];
}

export function refuses(gateway: GatewayClient): void {
  // @ts-expect-error no such method
  void gateway.call("helth");
  // @ts-expect-error params missing
  void gateway.call("chat.send");
  // @ts-expect-error a param missing
  void gateway.call("chat.send", { sessionKey: "main" });
  // @ts-expect-error a param nobody knows
  void gateway.call("health", { verbose: true });
  // @ts-expect-error a param of another type
  void gateway.call("voicewake.set", { triggers: "computer" });
  // @ts-expect-error no such way to queue
  void gateway.call("sessions.patch", { key: "main", queueMode: "later" });
  // @ts-expect-error neither all nor a list
  void gateway.call("events.subscribe", { sessions: "main" });
  // @ts-expect-error no such event
  gateway.on("tack", () => undefined);
  // @ts-expect-error a delta has no message
  gateway.on("chat", (event) => event.state === "delta" && event.message);
  // @ts-expect-error the result has no such key
  void gateway.call("health").then((health) => health.version);
}
