import { describe, expect, test } from "bun:test";
import { withoutEcho } from "../../../src/config/show/echo.ts";
import { redactValue } from "../../../src/config/show/redact.ts";
import { valueOf } from "../../../src/config/tree/tree.ts";
import { homeWith } from "./home.ts";

const FILE = {
  gateway: { port: 1, auth: { token: "geheim-12" } },
  agents: {
    list: [
      { id: "a", systemPrompt: "${WORDS} of a", workspace: "~/a" },
      { id: "b", systemPrompt: "of b" },
    ],
  },
  models: { providers: { p: { baseUrl: "${URL}/v1", apiKey: "${KEY}" } } },
  channels: { telegram: { enabled: true } },
};
const ENV = {
  URL: "http://127.0.0.1:1",
  KEY: "geheim-34",
  WORDS: "Words",
  CLAWDBOT_GATEWAY_BIND: "lan",
  CLAWDBOT_GATEWAY_PORT: "2",
};

interface Form {
  gateway: { log: { level: string } };
  agents: { defaults: { timeoutSeconds: number }; list: { id: string; systemPrompt?: string }[] };
  models: { providers: Record<string, { baseUrl?: string; api?: string } | undefined> };
}

/** What a form is filled with, and what is made of it when it comes back. */
async function formOf(file: object): Promise<{
  readonly shown: () => Form;
  readonly back: (value: unknown) => unknown;
}> {
  const { store } = homeWith({ "moltbot.json": JSON.stringify(file) }, { env: ENV });
  store.overrides.set("sessions.keepMax", 77);
  const snapshot = await store.readConfigFileSnapshot();
  const settings = await store.settings();
  if (!snapshot.valid || !snapshot.source?.tree) throw new Error("not valid");
  const shown = redactValue(settings.schema, snapshot.config);
  const written = valueOf(snapshot.source.tree);
  const input = { settings, provenance: snapshot.provenance, shown, written };
  return {
    shown: () => structuredClone<unknown>(shown) as Form,
    back: (value) => withoutEcho(value, input),
  };
}

describe("a form that comes back", () => {
  test("as it was shown says what the files say: no default, no variable, no override, no reference resolved", async () => {
    const { shown, back } = await formOf(FILE);
    expect(shown().gateway).toMatchObject({ port: 2, bind: "lan" });
    expect(back(shown())).toEqual(FILE);
  });

  test("where there is nothing in the files is nothing", async () => {
    const { shown, back } = await formOf({});
    expect(back(shown())).toEqual({});
  });

  test("with one change has that and no other", async () => {
    const { shown, back } = await formOf(FILE);
    const form = shown();
    form.agents.list[0] = { ...form.agents.list[0], id: "a", systemPrompt: "else" };
    form.agents.defaults.timeoutSeconds = 5;
    form.gateway.log.level = "warn";
    form.models.providers["q"] = { baseUrl: "http://127.0.0.1:2/v1" };
    expect(back(form)).toEqual({
      ...FILE,
      gateway: { ...FILE.gateway, log: { level: "warn" } },
      agents: {
        defaults: { timeoutSeconds: 5 },
        list: [{ id: "a", systemPrompt: "else", workspace: "~/a" }, FILE.agents.list[1]],
      },
      models: { providers: { ...FILE.models.providers, q: { baseUrl: "http://127.0.0.1:2/v1" } } },
    });
  });

  test("with elements of a list moved, removed and added", async () => {
    const { shown, back } = await formOf(FILE);
    const form = shown();
    const [a, b] = form.agents.list;
    if (!a || !b) throw new Error("no list");
    form.agents.list = [b, { id: "c" }, a];
    expect(back(form)).toMatchObject({
      agents: { list: [FILE.agents.list[1], { id: "c" }, FILE.agents.list[0]] },
    });
    form.agents.list = [a];
    expect(back(form)).toMatchObject({ agents: { list: [FILE.agents.list[0]] } });
  });

  test("without something that was shown is meant to be without it", async () => {
    const { shown, back } = await formOf(FILE);
    const form = shown();
    delete form.models.providers["p"];
    expect(back(form)).toEqual({ ...FILE, models: { providers: {} } });
  });
});

test("what somebody wrote by hand is what they meant", async () => {
  const { back } = await formOf(FILE);
  for (const value of [{}, { gateway: { port: 2, bind: "lan", log: { level: "info" } } }, FILE]) {
    expect(back(value)).toEqual(value);
  }
});
