/** What an edit may look like while it is being made, under a gateway that runs and answers. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createRandom } from "../fuzz/random.ts";
import { createHome, type Home, startGateway } from "../support/binary.ts";
import {
  breaksOf,
  changedTo,
  hashOfText,
  pairedText,
  pairOf,
  rejectedAs,
  renameOver,
} from "../support/configured.ts";
import { listen, type Listener } from "../support/sdk.ts";

setDefaultTimeout(600_000);

/** With it, all of what the defaults show a part of. */
const isFull = process.env["CONFIG_FULL"] !== undefined;

/** How many different ones the tests write. */
const PAIRS = 900;
const [OLD, NEW] = [pairedText(0), pairedText(1)];
const BYTES = new TextEncoder().encode(NEW);
/** From here on all is there: what is missing is a comment. */
const COMPLETE = BYTES.lastIndexOf("}".charCodeAt(0)) + 1;
/** Half the two characters that begin the comment. */
const isHalfComment = (cut: number): boolean => BYTES[cut - 1] === 0x2f && BYTES[cut] === 0x2f;

interface Edited {
  readonly home: Home;
  readonly person: Listener;
  /** Ends the asking. @returns every pair that was ever answered, in order, without repetitions */
  stop(): Promise<readonly number[]>;
}

/** A gateway on the old text, and a client that asks without a pause what is in force. */
async function startAsked(): Promise<Edited> {
  const home = createHome(OLD);
  const gateway = await startGateway(home);
  const person = await listen(gateway, { token: gateway.token() });
  const asker = await listen(gateway, { token: gateway.token() });
  const pairs: number[] = [];
  let isAsking = true;
  const ask = async (): Promise<void> => {
    while (isAsking) {
      const [{ config }, { config: section }, { config: status }] = await Promise.all([
        asker.client.call("config.get"),
        asker.client.call("config.get", { key: "sessions" }),
        asker.client.call("status"),
      ]);
      const pair = pairOf(config);
      if (pairs.at(-1) !== pair) pairs.push(pair);
      // Asked for apart, so perhaps of the one after it; but of one that somebody has written.
      expect((section as { readonly keepMax: number }).keepMax).toBeWithin(1_000, 1_000 + PAIRS);
      if (status.safeMode || status.restartOwed.length > 0) throw new Error(JSON.stringify(status));
    }
  };
  const asked = ask();
  // Awaited at the end; a mixture found earlier is told there.
  asked.catch(() => {});
  return {
    home,
    person,
    async stop() {
      isAsking = false;
      await asked;
      expect([...breaksOf(person), ...breaksOf(asker)]).toEqual([]);
      expect((await asker.client.call("health")).clients).toBe(2);
      return pairs;
    },
  };
}

/** Where the new text is cut: everywhere, or at both ends and at places of a seeded choice between. */
function cuts(): readonly number[] {
  const all = Array.from({ length: BYTES.length }, (_, at) => at);
  const random = createRandom(7);
  return isFull ? all : all.filter((at) => at < 40 || at > COMPLETE - 12 || random.chance(0.06));
}

/** What can be read of it: half a character is no UTF-8, and then nothing can. */
function textOf(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  return text.endsWith("\uFFFD") ? "" : text;
}

test("each byte-prefix of a new file, one after the other: all of the old or all of the new", async () => {
  const { home, person, stop } = await startAsked();
  for (const [turn, cut] of cuts().entries()) {
    const bytes = BYTES.subarray(0, cut);
    const isWhole = cut >= COMPLETE && !isHalfComment(cut);
    const told = isWhole
      ? changedTo(person, NEW.slice(0, cut - BYTES.length))
      : rejectedAs(person, textOf(bytes));
    if (turn % 3 === 2) renameOver(home.configPath, bytes);
    else writeFileSync(home.configPath, bytes);
    await told;
    const { config } = await person.client.call("config.get");
    expect([cut, pairOf(config)]).toEqual([cut, isWhole ? 1 : 0]);
    const back = changedTo(person, OLD);
    writeFileSync(home.configPath, OLD);
    await back;
  }
  const last = changedTo(person, NEW);
  writeFileSync(home.configPath, NEW);
  await last;
  expect(pairOf((await person.client.call("config.get")).config)).toBe(1);
  expect(new Set(await stop())).toEqual(new Set([0, 1]));
});

test("a file that grows byte by byte without a pause: the old until all is there, then the new", async () => {
  const { home, person, stop } = await startAsked();
  const last = changedTo(person, NEW);
  for (let cut = 0; cut <= BYTES.length; cut += 1) {
    // Truncated and written anew each time: whoever reads between sees nothing, or less than before.
    writeFileSync(home.configPath, BYTES.subarray(0, cut));
    if (cut % 4 === 0) await person.client.call("health");
  }
  await last;
  expect(pairOf((await person.client.call("config.get")).config)).toBe(1);
  expect(await stop()).toEqual([0, 1]);
  expect(person.told.filter(({ event }) => event === "config.rejected").length).toBeGreaterThan(0);
});

test("bursts of edits: after each the last one is in force, whatever came before it and however it was made", async () => {
  const { home, person, stop } = await startAsked();
  const random = createRandom(11);
  const bursts = isFull ? 300 : 30;
  let written = 1;
  for (let burst = 0; burst < bursts; burst += 1) {
    const edits = 1 + random.below(8);
    let text = "";
    let told: Promise<unknown> | undefined;
    for (let edit = 0; edit < edits; edit += 1) {
      // Of the same size and often within one grain of the file system's clock.
      text = pairedText(written++ % PAIRS);
      if (edit === edits - 1) told = changedTo(person, text);
      if (random.chance(0.5)) renameOver(home.configPath, text);
      else writeFileSync(home.configPath, text);
      // Around the debounce of 10 ms: some are read one by one, some together, some while others are read.
      await Bun.sleep(random.below(25));
    }
    await told;
    const { config, hash } = await person.client.call("config.get");
    expect([burst, pairOf(config), hash]).toEqual([burst, (written - 1) % PAIRS, hashOfText(text)]);
  }
  const pairs = await stop();
  expect(pairs.length).toBeGreaterThan(bursts);
});
