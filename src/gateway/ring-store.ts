import { SCOPES } from "../contract/define.ts";
import { errorText, messageOf } from "../contract/errors.ts";
import type { Lifetime } from "../feature.ts";
import { checksumOf } from "../features/storage/checksum.ts";
import type { Crypto, Database, Log, Stop, Timers } from "../ports.ts";
import type { Hub, SavedEvents } from "../rpc/hub.ts";
import { isObject, parseJson } from "../rpc/json.ts";
import type { OutgoingSpec } from "../rpc/outgoing.ts";

/** Of what is kept here: what another version wrote in another way is not read. */
const FORMAT = 1;
/** Where it stands what the others belong to; events count from 1. */
const HEADER_SEQ = 0;
/** Distance of the tries to take away what must not be read again. */
const RETRY_MS = 10_000;

interface Ports {
  readonly db: Database;
  readonly crypto: Crypto;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Lets the hub go on where the one before ended, if that one stopped in order, and keeps its events for the
 * next when `lifetime` ends: register whatever publishes after this.
 */
export function keepEvents(ports: Ports, hub: Hub, lifetime: Lifetime): void {
  lifetime.onStop(async () => {
    // What ended last may still have a word to say, in the turns of the loop that it took.
    await new Promise((resolve) => setTimeout(resolve, 0));
    try {
      saveEvents(ports, hub.save());
    } catch (error) {
      ports.log.warn("events not kept for the next start: clients have to ask anew", {
        error: messageOf(error),
      });
    }
  });
  try {
    const saved = takeEvents(ports);
    if (saved) hub.restore(saved);
  } catch (error) {
    ports.log.error("events of before the stop not taken: clients have to ask anew", {
      error: errorText(error),
    });
    lifetime.onStop(clearLater(ports));
  }
}

/** All of them or none. */
export function saveEvents({ db, crypto }: Ports, { epoch, seq, lostSeq, events }: SavedEvents): void {
  const texts = events.map(textOf);
  const checksum = checksumOf(crypto, epoch, seq, lostSeq, texts.join("\n"));
  db.transaction(() => {
    db.exec("DELETE FROM events");
    const insert = db.prepare("INSERT INTO events (seq, event) VALUES (?, ?)");
    insert.run(HEADER_SEQ, JSON.stringify({ format: FORMAT, epoch, seq, lostSeq, checksum }));
    for (const [index, text] of texts.entries()) insert.run(events[index]?.seq ?? null, text);
  });
}

/**
 * What the last gateway kept when it stopped: nothing after a crash, and nothing a second time, as numbers
 * given from here on must not be given again.
 *
 * @returns undefined where there is nothing, or what is there cannot be trusted, which is logged
 * @throws when the database cannot be read or written
 */
export function takeEvents({ db, crypto, log }: Ports): SavedEvents | undefined {
  const texts = db.transaction(() => {
    const rows = db.prepare("SELECT event FROM events ORDER BY seq").all();
    if (rows.length > 0) db.exec("DELETE FROM events");
    return rows.map(({ event }) => String(event));
  });
  if (texts.length === 0) return undefined;
  const saved = read(crypto, texts);
  if (!saved) log.warn("events of before the stop cannot be read: clients have to ask anew");
  return saved;
}

/** What stays there after a crash would be taken for the last word, though others came after it. */
function clearLater({ db, timers }: Ports): Stop {
  const stop = timers.every(RETRY_MS, () => {
    try {
      db.exec("DELETE FROM events");
      stop();
    } catch {
      // As the first time: the disk is full or failing, which has been said.
    }
  });
  return () => stop();
}

/** The parts of an event in a fixed order, so that the text is the same for the same event. */
function textOf({ seq, name, scope, must, key, audience, body }: OutgoingSpec): string {
  return JSON.stringify({ seq, name, scope, must, key, audience, body });
}

function read(crypto: Crypto, [head = "", ...texts]: readonly string[]): SavedEvents | undefined {
  const header = objectIn(head);
  const { format, epoch, seq, lostSeq, checksum } = header ?? {};
  if (format !== FORMAT) return undefined;
  if (typeof epoch !== "string" || typeof seq !== "number" || typeof lostSeq !== "number") return undefined;
  if (checksum !== checksumOf(crypto, epoch, seq, lostSeq, texts.join("\n"))) return undefined;
  const events = texts.map((text) => eventIn(text));
  const isWhole = events.every((event) => event !== undefined);
  return isWhole ? { epoch, seq, lostSeq, events } : undefined;
}

/** The checksum says that it is as it was written; what could still be wrong is who wrote it. */
function eventIn(text: string): OutgoingSpec | undefined {
  const { seq, name, scope: said, must, key, audience: whom, body } = objectIn(text) ?? {};
  const scope = SCOPES.find((one) => one === said);
  if (typeof seq !== "number" || typeof name !== "string" || typeof body !== "string" || !scope)
    return undefined;
  if (key !== undefined && typeof key !== "string") return undefined;
  const audience = audienceIn(whom);
  if (whom !== undefined && !audience) return undefined;
  return { seq, name, scope, must: must === true, key, audience, body };
}

function audienceIn(value: unknown): OutgoingSpec["audience"] {
  if (!isObject(value)) return undefined;
  const { sessionKey, owner } = value;
  return typeof sessionKey === "string" && typeof owner === "string" ? { sessionKey, owner } : undefined;
}

function objectIn(text: string): Record<string, unknown> | undefined {
  const parsed = parseJson(text);
  return "value" in parsed && isObject(parsed.value) ? parsed.value : undefined;
}
