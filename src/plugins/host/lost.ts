/** A plugin's process has ended, and not because it was told to. */
export class ProcessLost extends Error {
  override readonly name = "ProcessLost";
  /** It was another plugin of the same process: this one may be started again at once. */
  readonly isBystander: boolean;

  constructor(message: string, isBystander: boolean) {
    super(message);
    this.isBystander = isBystander;
  }
}

export interface Loss {
  /** `did not answer for 5 s` */
  readonly why: string;
  /** Ids of the plugins that were in it. */
  readonly ids: readonly string[];
  /** Whose fault it was, where that can be told. */
  readonly culprit: string | undefined;
}

export function lossOf(id: string, { why, ids, culprit }: Loss): ProcessLost {
  const isAlone = ids.every((other) => other === id);
  if (culprit === id || (culprit === undefined && isAlone))
    return new ProcessLost(`its process ${why}`, false);
  if (culprit !== undefined)
    return new ProcessLost(`the process that it shared ${why}, because of plugin "${culprit}"`, true);
  const others = ids
    .filter((other) => other !== id)
    .map((other) => `"${other}"`)
    .join(", ");
  return new ProcessLost(`the process that it shared with ${others} ${why}; it gets one of its own`, false);
}
