import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Stop, Timers } from "../../ports.ts";
import type { Channel } from "./channel.ts";
import { type Chat, keyOfChat } from "./deliveries.ts";

interface TypingPorts {
  readonly sender: (channel: string, accountId: string) => Channel | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** Most services forget the sign after some five seconds. */
const AGAIN_MS = 4_000;

interface Shown {
  /** Runs it is shown for. */
  count: number;
  isAsking: boolean;
  readonly stop: Stop;
}

/** Shows people that an answer is on its way; no longer than a run usually may take. */
export class Typing {
  readonly #ports: TypingPorts;
  readonly #shown = new Map<string, Shown>();

  constructor(ports: TypingPorts) {
    this.#ports = ports;
  }

  show(chat: Chat): Stop {
    const key = keyOfChat(chat);
    const shown = this.#shown.get(key) ?? this.#begin(key, chat);
    shown.count++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      shown.count--;
      if (shown.count > 0) return;
      shown.stop();
      if (this.#shown.get(key) === shown) this.#shown.delete(key);
    };
  }

  stop(): void {
    for (const { stop } of this.#shown.values()) stop();
    this.#shown.clear();
  }

  #begin(key: string, chat: Chat): Shown {
    const { clock, timers } = this.#ports;
    const untilMs = clock.elapsed() + LIMITS.runTimeoutMs;
    const tick = (): void => {
      if (clock.elapsed() >= untilMs) shown.stop();
      else this.#ask(shown, chat);
    };
    const shown: Shown = { count: 0, isAsking: false, stop: timers.every(AGAIN_MS, tick) };
    this.#shown.set(key, shown);
    this.#ask(shown, chat);
    return shown;
  }

  /** One that has not been answered is enough. */
  #ask(shown: Shown, { channel, accountId, to, threadId }: Chat): void {
    const sender = this.#ports.sender(channel, accountId);
    if (!sender || shown.isAsking) return;
    shown.isAsking = true;
    const isOver = (): void => void (shown.isAsking = false);
    const chat = { accountId, to, ...(threadId !== undefined && { threadId }) };
    // Whatever it throws, nothing depends on it.
    void (async () => sender.typing(chat))().then(isOver, isOver);
  }
}
