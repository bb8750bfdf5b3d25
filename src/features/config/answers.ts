import { readJsonc } from "../../config/text/document.ts";
import { explain } from "../../config/show/explain.ts";
import { isObject, quote } from "../../config/leaves.ts";
import type { Path } from "../../config/leaves.ts";
import { valueAt } from "../../config/layers.ts";
import { redactText, redactValue } from "../../config/show/redact.ts";
import type { Intent } from "../../config/write/rewrite.ts";
import type { ConfigStore } from "../../config/store.ts";
import { type FilePlace, placeOfSpot, type Tree, treeAt, valueOf } from "../../config/tree/tree.ts";
import { RpcError } from "../../contract/errors.ts";
import type { Call } from "../../feature.ts";
import type { Copies } from "../../config/write/copies.ts";
import type { ConfigReloader } from "../../config/reloader.ts";
import type { Confirmation } from "./confirmation.ts";
import type { ConfigAnswers } from "./feature.ts";
import { pathOf, problemOf } from "./problems.ts";
import type { ConfigService } from "./service.ts";

export interface ConfigParts {
  readonly service: ConfigService;
  readonly store: ConfigStore;
  readonly copies: Copies;
  readonly reloader: ConfigReloader;
  readonly confirmation: Confirmation;
  readonly version: string;
}

export function createConfigAnswers(parts: ConfigParts): ConfigAnswers {
  return { ...readers(parts), ...writers(parts) };
}

type Reading = "get" | "explain" | "schema" | "validate" | "backups" | "override.list";
type Readers = Pick<ConfigAnswers, `config.${Reading}`>;

function readers(parts: ConfigParts): Readers {
  const { service, store, copies, reloader, version } = parts;
  return {
    "config.get": async ({ key }) => get(parts, key),

    "config.explain": async ({ key }, call) => {
      const [latest, settings] = [await service.latest(), await store.settings()];
      const positionOf = placeFinder(latest.source?.tree);
      const input = { settings, config: store.current(), provenance: latest.provenance, positionOf };
      const explained = explain(input, key);
      if ("problem" in explained) return call.fail("not_found", explained.problem);
      const owed = explained.partOf ?? explained.key;
      return {
        ...explained,
        hidden: [...explained.hidden],
        restartOwed: reloader.restartOwed().includes(owed),
      };
    },

    "config.schema": async () => {
      const { configJsonSchema } = await import("../../config/show/json-schema.ts");
      const { schema, uiHints } = configJsonSchema(await store.settings());
      return { schema: { ...schema }, uiHints: { ...uiHints }, version };
    },

    "config.validate": async ({ raw, patch, drop }, call) => {
      if (raw !== undefined && patch !== undefined) {
        call.fail("invalid_params", 'Cannot validate: both "raw" and "patch" are given');
      }
      const replacement = raw === undefined ? undefined : await service.replacement(raw, { drop });
      const intent = patch === undefined ? replacement : mergeOf(patch);
      const { plan, ...validation } = await service.validate(intent);
      return {
        ...validation,
        plan: {
          applied: plan?.applied.map((change) => change.key) ?? [],
          features: [...(plan?.features ?? [])],
          restartOwed: plan?.owed.map((change) => change.key) ?? [],
          restarts: plan?.restarts ?? false,
        },
      };
    },

    "config.backups": async () => ({ backups: [...(await copies.backups(reloader.latest().path))] }),

    "config.override.list": async () => {
      const { leaves } = await store.settings();
      const set = leaves.filter((leaf) => store.overrides.has(leaf.key));
      return {
        overrides: set.map(({ key, schema }) => ({
          key,
          value: redactValue(schema, store.overrides.get(key)),
        })),
      };
    },
  };
}

function writers({ service, confirmation }: ConfigParts): Omit<ConfigAnswers, keyof Readers> {
  /** A writer of the whole or of many keys has to have read what it writes over. */
  async function needHash(baseHash: string | undefined): Promise<void> {
    if (baseHash !== undefined || !(await service.snapshot()).exists) return;
    throw new RpcError(
      "invalid_params",
      "Cannot write configuration: baseHash is missing; config.get has it",
    );
  }

  return {
    "config.set": async ({ key, value, raw, baseHash, drop, verbatim }, call) => {
      if ((key === undefined) === (raw === undefined)) {
        return call.fail(
          "invalid_params",
          'Cannot write configuration: wanted either "key" and "value" or "raw"',
        );
      }
      if (raw !== undefined) {
        await needHash(baseHash);
        return service.write(await service.replacement(raw, { drop, verbatim }), { baseHash });
      }
      if (key === undefined || value === undefined) {
        return call.fail("invalid_params", `Cannot set ${quote(key ?? "")}: "value" is missing`);
      }
      return service.write(await service.assignment(key, value, drop), { baseHash });
    },

    "config.unset": async ({ key, baseHash }, call) => {
      const path = pathOf(key);
      const { source } = await service.snapshot();
      if (!treeAt(source?.tree, path)) {
        call.fail("not_found", `Cannot unset ${quote(key)}: it is not in the file`);
      }
      return service.write({ kind: "unset", path }, { baseHash });
    },

    "config.patch": async ({ raw, baseHash, confirmWithinMs }) => {
      await needHash(baseHash);
      return service.write(mergeOf(raw), { baseHash, confirmWithinMs });
    },

    "config.apply": async ({ raw, baseHash, drop, verbatim, confirmWithinMs }) => {
      await needHash(baseHash);
      return service.write(await service.replacement(raw, { drop, verbatim }), { baseHash, confirmWithinMs });
    },

    "config.confirm": async (_params, call) => ({ confirmed: await confirm(confirmation, call) }),

    "config.rollback": ({ backup, baseHash }) => service.rollback(backup, baseHash),

    "config.override.set": ({ key, value }) => service.setOverride(key, value),

    "config.override.unset": ({ key }) => service.unsetOverride(key),
  };
}

async function get({ service, store, reloader }: ConfigParts, key: string | undefined) {
  const snapshot = await service.snapshot();
  const { schema } = await store.settings();
  const { path, exists, hash, valid, source, warnings } = snapshot;
  const inForce = redactValue(schema, store.current());
  const text = source?.texts.get(path);
  const shown = key === undefined ? inForce : valueAt(inForce, pathOf(key));
  if (shown === undefined && key !== undefined) await mustExist({ service, store }, key);
  return {
    path,
    exists,
    hash,
    valid,
    config: shown,
    parsed: source?.tree && redactValue(schema, valueOf(source.tree)),
    raw: (text === undefined ? undefined : redactText(text, schema)) ?? null,
    issues: snapshot.valid ? [] : snapshot.errors.map(problemOf),
    warnings: warnings.map(problemOf),
    restartOwed: [...reloader.restartOwed()],
  };
}

/** A setting that is not set is something else than a key that does not exist. */
async function mustExist(
  { service, store }: Pick<ConfigParts, "service" | "store">,
  key: string,
): Promise<void> {
  const { provenance } = await service.latest();
  const explained = explain({ settings: await store.settings(), config: store.current(), provenance }, key);
  if ("problem" in explained) {
    throw new RpcError("not_found", explained.problem.replace("Cannot explain", "Cannot get"));
  }
}

function placeFinder(tree: Tree | undefined): (path: Path) => FilePlace | undefined {
  return (path) => {
    const spot = treeAt(tree, path)?.spot;
    return spot && placeOfSpot(spot);
  };
}

function mergeOf(raw: string): Intent {
  const reading = readJsonc(raw);
  if (reading.ok && isObject(reading.document.value)) return { kind: "patch", patch: reading.document.value };
  const reason = reading.ok ? "it is no object" : (reading.errors[0]?.reason ?? "it is no JSON");
  throw new RpcError("invalid_params", `Cannot read patch: ${reason}`);
}

async function confirm(confirmation: Confirmation, call: Call<"conflict">): Promise<boolean> {
  const answer = await confirmation.confirm(call.caller.connectedMs);
  if (answer === "late") return call.fail("conflict", "Cannot confirm configuration: it is being undone");
  if (answer !== "early") return answer === "confirmed";
  return call.fail(
    "conflict",
    "Cannot confirm configuration: this connection is older than the change; connect anew, then confirm",
  );
}
