// A thread of the confined program: tries what it is told, and tells what came of it.
import { outcomeOf } from "./confined.ts";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<readonly string[]>) => {
  const outcomes: string[] = [];
  for (const attempt of data) {
    const [name = "", ...value] = attempt.split("=");
    outcomes.push(await outcomeOf(name, value.join("=")));
  }
  self.postMessage(outcomes);
};
