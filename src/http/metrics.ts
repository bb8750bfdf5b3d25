/** One number for Prometheus. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly value: number;
  /** Fixed names and values of ours: they need no escaping. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** @source Prometheus text format 0.0.4 */
export function metricsText(metrics: readonly Metric[]): string {
  const told = new Set<string>();
  const lines = metrics.flatMap(({ name, help, type, value, labels = {} }) => {
    const head = told.has(name) ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
    told.add(name);
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text}"`);
    return [...head, `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`];
  });
  return `${lines.join("\n")}\n`;
}
