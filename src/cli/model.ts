/** What to know about a model besides its name. */
export const ECHO_NOTE = (model: string): string =>
  model === "echo/echo" ? ", which only repeats what it is told: set agents.defaults.model" : "";
