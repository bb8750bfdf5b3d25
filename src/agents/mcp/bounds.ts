/** What a server of tools may cost us: each bound with its unit in the name and its reason. */
export const MCP = {
  /** Until a server that was started has listed its tools: `npx` may have to fetch it first. */
  startMs: 20_000,
  /** Of that, what the first run waits; its tools join the run when they are there. */
  firstListMs: 10_000,
  /** One call, where the configuration says nothing. */
  callMs: 120_000,
  /** Unused for this long, it is stopped: most servers are larger than the gateway. */
  idleMs: 10 * 60_000,
  /** Until the next try after it could not be started: somebody has to install or configure something. */
  startAgainMs: 30_000,
  startAgainMsMax: 10 * 60_000,
  /** Until it is started again after it ended by itself, which may have been an accident. */
  crashAgainMs: 1_000,
  crashAgainMsMax: 60_000,
  /** It has to live for this long before an end counts as the first one again. */
  stableMs: 60_000,
  /** Distance of the looks whether the configuration is another. */
  lookMs: 2_000,
  /** What open calls get when it is taken out of the configuration. */
  drainMs: 5_000,
  /** To end when its input is closed, and after SIGTERM; to take the word that a session has ended. */
  closeMs: 1_000,
  killMs: 2_000,

  /** One message: an image as base64 fits, a line without an end does not. */
  messageBytesMax: 16 * 1024 * 1024,
  /** In a row that are no messages: many servers greet or log where only messages belong. */
  junkLinesMax: 1_000,
  junkBytesMax: 1024 * 1024,
  /** Answers of ours that it does not read. */
  unreadCharsMax: 8 * 1024 * 1024,
  /** An error's text is a few hundred characters. */
  errorBytesMax: 64 * 1024,

  /** Pages of one list, and tools that are looked at on them. */
  pagesMax: 64,
  listedMax: 1_000,
  /** From the word that its tools have changed to the next list. */
  listAgainMs: 250,
  /** A name of its own: the protocol advises 128 at most. */
  nameCharsMax: 256,
  /** Told with every call of a model, as the schema is: both are paid for in tokens. */
  descriptionCharsMax: 4_000,
  schemaCharsMax: 64 * 1024,
  /** Tools of one agent: as many as OpenAI takes. */
  toolsMax: 128,
  /** Name of a tool as a model is told it: what every provider takes. */
  modelNameCharsMax: 64,

  /** Text of one answer: half of a large context window. */
  answerCharsMax: 200_000,
  /** Its own words in our sentences. */
  wordsCharsMax: 1_000,
  /** Distance of the updates of one call. */
  updateMs: 100,

  /** Lines of its log, and the time in which so many are written; the rest is counted. */
  logLinesMax: 50,
  logLinesMs: 10_000,
} as const;
