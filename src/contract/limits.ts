/**
 * Every bound of the gateway: a value, its unit (in the name) and why it is that large.
 *
 * Sizes are bytes, times are milliseconds. What a person may change is a configuration key whose
 * default is taken from here; everything else is fixed.
 *
 * @source PROTOCOL §6
 */
export const LIMITS = {
  /** Inbound frame before `connect`: a handshake fits easily, a stranger gets no more. */
  helloFrameBytesMax: 64 * 1024,
  /** Inbound frame after `connect`, default of `gateway.limits.frameBytesMax`. */
  frameBytesMax: 1024 * 1024,
  /** What may wait for one client before `latest` events skip it and the slow rule begins. */
  outboundBytesMax: 1536 * 1024,
  /**
   * Room above `outboundBytesMax` that only replies and `must` events may use; past it the client is
   * closed.
   */
  outboundReserveBytes: 512 * 1024,
  /** Keyed `latest` events that wait for one slow client: newest of each key. */
  outboundKeysMax: 256,
  /** A closed client that does not read its close frame is cut off after this. */
  closeGraceMs: 2_000,

  /** Time for a client to complete `connect`: generous, a busy Raspberry Pi is slow. */
  handshakeMs: 10_000,
  /** Distance of pings; a peer is gone after `pingsMissedMax` without a sign of life. */
  pingMs: 30_000,
  pingsMissedMax: 2,
  /** Distance of `tick` events. */
  tickMs: 15_000,

  /**
   * Clients at once, default of `gateway.limits.clientsMax`; well under the usual 1,024-descriptor soft
   * limit's raise.
   */
  clientsMax: 1_024,
  /** Sockets that have not completed `connect`, over all addresses and per address. */
  unauthenticatedMax: 64,
  unauthenticatedPerAddressMax: 16,
  /** Wrong credentials per address and window, loopback included. */
  failedCredentialsMax: 10,
  failedCredentialsWindowMs: 60_000,
  /** Addresses the limiter remembers; the oldest is forgotten first. */
  failedCredentialsAddressesMax: 4_096,
  /** Shortest secret accepted when the gateway listens beyond loopback (128 bits as hex). */
  secretCharsMin: 16,
  /** Longest secret a client may present: no one hashes a megabyte for a stranger. */
  secretCharsMax: 1_024,

  /** Objects and arrays inside each other in any JSON text from outside. */
  jsonDepthMax: 64,
  /** Frames in a row that are not JSON before the socket is closed. */
  parseErrorsMax: 3,
  /** Requests in one JSON-RPC batch. */
  batchMax: 100,
  /** Answers of one batch before the rest of its requests is sent back: they leave as one frame. */
  batchReplyCharsMax: 1024 * 1024,
  /** Characters of a request id that is a string. */
  idCharsMax: 128,

  /** Requests of one client that run at the same time. */
  inflightMax: 64,
  /** Requests of one client that wait for one of those places, and their text; more is `busy`. */
  queuedRequestsMax: 256,
  queuedBytesMax: 4 * 1024 * 1024,

  /** Requests over HTTP that run at the same time, over all clients: one has no connection to count by. */
  httpInflightMax: 128,

  /** Characters of an `idempotencyKey`. */
  idempotencyKeyCharsMax: 128,
  /** How long an answer is kept for its key, and how many are kept. */
  idempotencyMs: 5 * 60_000,
  idempotencyEntriesMax: 2_000,

  /**
   * Events kept for `resume`, by number and by size of their text: a replay fits one client's buffer. A
   * thousand events of conversations are 0.2 to 0.8 MiB; full it costs some 3 MiB of memory.
   */
  ringEventsMax: 4_096,
  ringBytesMax: 1024 * 1024,
  /** Sessions and names of events that one connection may follow: 1,024 connections fill some 100 MiB. */
  followedSessionsMax: 200,
  followedEventsMax: 100,
  /** Text of running answers that one `events.subscribe` tells: its answer fits a client's buffer. */
  activeBytesMax: 1024 * 1024,

  /** Shortest distance of two `presence` events, and what each connected client adds to it: one
   *  event costs clients × entries, so its rate falls as they grow. */
  presenceMs: 250,
  presencePerClientMs: 5,
  /** Entries shown in presence: keeps `hello` under 16 KiB with a thousand clients. */
  presenceEntriesMax: 50,

  /** HTTP request body. */
  bodyBytesMax: 1024 * 1024,
  /** Silence of an HTTP client, seconds; an answer that is being worked out may take longer. */
  httpIdleSeconds: 30,

  /** What clients get to close their sockets before a restart goes on, and how long it is said to take. */
  restartGraceMs: 250,
  restartExpectedMs: 1_000,
  /** What running calls and runs get at a stop. */
  drainMs: 5_000,

  /** Characters of a session key. */
  sessionKeyCharsMax: 200,
  /** Sessions kept; a new one beyond it is refused, none is dropped silently. */
  sessionsMax: 10_000,
  /** Characters of one message to an agent. */
  messageCharsMax: 400_000,
  /** Runs that wait in one session behind the running one. */
  runsQueuedPerSessionMax: 20,
  /** Runs at the same time over all sessions, at least: more where there are more cores. */
  runsActiveMin: 2,
  /** Shortest distance of two `chat` deltas of one run. */
  deltaMs: 150,
  /**
   * JSON of all that one run may say, and of what is kept of its tools' answers, together and of one: its end
   * is told twice, as chat and as agent, and both fit what may wait for a client.
   */
  runBytesMax: 384 * 1024,
  toolResultsBytesMax: 128 * 1024,
  toolResultBytesMax: 16 * 1024,
  /** Time one run may take, default and most. */
  runTimeoutMs: 600_000,
  runTimeoutMsMax: 24 * 60 * 60_000,
  /** How long `agent.wait` waits, default and most. */
  waitMs: 30_000,
  waitMsMax: 10 * 60_000,
  /** Messages `chat.history` answers, default and most. */
  historyMessages: 200,
  historyMessagesMax: 1_000,
  /** Content of the messages in one such answer, except for a single longer one: fits a client's buffer. */
  historyBytesMax: 1024 * 1024,
  /**
   * Messages of a session that are read for one turn, and their content: more than any model's window. What
   * is handed to the model is counted in tokens.
   */
  contextMessagesMax: 2_000,
  contextBytesMax: 4 * 1024 * 1024,
  /** Tokens of a context window kept free for the answer, and what a recent conversation keeps of it. */
  compactionReserveTokens: 16_384,
  compactionRecentTokens: 20_000,
  /** Characters of a summary. */
  summaryCharsMax: 40_000,
  /** Tokens one run may use over all its model calls, and tools it may call. */
  runTokensMax: 4_000_000,
  runToolCallsMax: 200,
  /** How often what a running answer has said so far is written down. */
  piecesMs: 2_000,
  /** How long the end of a run is tried to be written to a disk that takes nothing. */
  endRetryMs: 60_000,
  /**
   * Images of one message, and the base64 characters of all: half of what may wait for the disk. A frame of
   * the default size holds less; `gateway.limits.frameBytesMax` is for whoever sends larger ones.
   */
  imagesMax: 10,
  imagesCharsMax: 8 * 1024 * 1024,
  /** Characters of a session's label, and of what its agent is told first. */
  labelCharsMax: 64,
  instructionsCharsMax: 40_000,
  /** Variables of one session, and characters of one: an environment is handed over whole. */
  variablesMax: 100,
  variableCharsMax: 8_192,
  /** Names in each list of a session's tools. */
  toolNamesMax: 200,
  /** Characters of what is searched for. */
  searchCharsMax: 400,
  /**
   * Messages that are put in the search index, or taken away with their session, at a time: the loop answers
   * others in between.
   */
  indexBatchMax: 200,
  /** Lines of a transcript in one call, the characters of one, and of all in an answer: it fits a frame. */
  transcriptLinesMax: 500,
  transcriptLineCharsMax: 512 * 1024,
  transcriptCharsMax: 512 * 1024,
  /** Imports of several calls that go on at the same time. */
  importsOpenMax: 16,
  /** Entries of an imported transcript that a later one can branch off from: 10 MiB for an open import. */
  importEntriesMax: 100_000,
  /** Stored messages that are read for one page of hits or one batch of the index, and for one preview. */
  searchBytesMax: 4 * 1024 * 1024,
  previewBytesMax: 8 * 1024 * 1024,
  /** Characters of a session's title and preview. */
  titleCharsMax: 60,
  previewCharsMax: 240,
  /** Characters an agent may keep for its session over restarts. */
  agentNoteCharsMax: 4_096,

  /** Works that wait for the next commit, and their text: some seconds of a slow SD card. */
  writesQueuedMax: 4_096,
  writesQueuedBytesMax: 16 * 1024 * 1024,
  /** Longest a commit is put off to gather more, and longest its works hold the loop before it is made. */
  writeGatherMsMax: 100,
  writeGroupMsMax: 50,
  /** When to come back after the disk has refused a write. */
  writeRetryMs: 1_000,

  /** How long a person has to answer, default of `approvals.timeoutSeconds`, least and most. */
  approvalSeconds: 120,
  approvalSecondsMin: 5,
  approvalSecondsMax: 24 * 60 * 60,
  /** Approvals that wait at the same time: more is no person's work, and is denied. */
  approvalsOpenMax: 200,
  /** Approvals that were decided and stay listed, the newest. */
  approvalsKept: 1_000,
  /** Characters of what is to be approved, in one line and in full: its event fits any client's buffer. */
  approvalTitleCharsMax: 500,
  approvalDetailsCharsMax: 64 * 1024,
  /** Approvals in one answer, default and most, and their text: it fits a client's buffer. */
  approvalsListed: 50,
  approvalsListedMax: 200,
  approvalsListedCharsMax: 512 * 1024,

  /** Days of usage in one answer, default and most. */
  usageDays: 30,
  usageDaysMax: 366,
  /** Rows of usage in one answer, one for each day, agent and model: they fit a client's buffer. */
  usageRowsMax: 2_500,

  /** Wake words and the characters of each. */
  wakeTriggersMax: 32,
  wakeTriggerCharsMax: 64,

  /** Configuration file, and each file it includes. */
  configBytesMax: 1024 * 1024,
  /** Characters of a setting's key, and keys that one write may name to drop. */
  configKeyCharsMax: 500,
  configDropMax: 1_000,
  /** Mistakes in a configuration that are told, and as many warnings: all go out in one event. */
  configIssuesMax: 50,
  /** Characters of one of them: what it names may be as long as a file. */
  configIssueCharsMax: 2_000,
  /** Characters that the references of a configuration may put in, together: one long value named often. */
  configReferenceCharsMax: 4 * 1024 * 1024,
  /** Backups of the configuration: each is what was there before one write. */
  configBackupsMax: 10,
  /** Settings changed while the gateway runs, default of `gateway.reload.debounceMs`: quiet after an edit. */
  configDebounceMs: 100,
  /** Distance of the looks at the files themselves, for what the watcher of the system misses. */
  configPollMs: 2_000,
  /** How long `config.apply` waits for its confirmation, least and most. */
  configConfirmMsMin: 1_000,
  configConfirmMsMax: 60 * 60_000,
  /**
   * From this resident size on garbage is collected early: when so much has been added, looked at so often.
   * An idle gateway is half of it; fifty sessions that stream at once fit under 120 MB that way.
   */
  memoryLargeBytes: 88 * 1024 * 1024,
  memoryGrowthBytes: 3 * 1024 * 1024,
  memoryLookMs: 1_000,
  memoryLargeLookMs: 200,
  /** Shorter secrets are not hidden in logs: they would hide half of every ordinary line. */
  hiddenCharsMin: 6,
  /** Secrets of one configuration: each is looked for in every line of the log. */
  configSecretsMax: 20_000,
  /** Characters of one field of a log line. */
  logFieldCharsMax: 1_024,

  /** Characters of a plugin's id: it is part of paths, method names and session keys. */
  pluginIdCharsMax: 40,
  /** A manifest, and what one plugin may have of each kind of thing. */
  pluginManifestBytesMax: 64 * 1024,
  pluginMethodsMax: 200,
  pluginRoutesMax: 100,
  pluginToolsMax: 100,
  /** Plugins that are looked at, over all places. */
  pluginsMax: 500,
  /** Files of one plugin, with all that it brings along, and bytes in them. */
  pluginFilesMax: 20_000,
  pluginFilesBytesMax: 100 * 1024 * 1024,
  /** How long a program may take to fetch a plugin, or what that is built on. */
  pluginFetchMs: 180_000,
  /** From loading a plugin to the end of its `start`. */
  pluginStartMs: 10_000,
  /** What the stops of a plugin have together, and calls that go on when another version is in force. */
  pluginStopMs: 5_000,
  pluginDrainMs: 30_000,
  /** Time for one call of a method, of a route, and for one plugin's part in a hook. */
  pluginCallMs: 120_000,
  pluginHttpMs: 30_000,
  hookMs: 5_000,
  /** Calls of one plugin that go on at the same time; more are `busy`. */
  pluginCallsMax: 256,
  pluginHttpMax: 32,
  /** Body of a request to a plugin's route, how long it may take to come, and body of an answer. */
  pluginBodyBytesMax: 1024 * 1024,
  pluginBodyMs: 10_000,
  pluginAnswerBytesMax: 8 * 1024 * 1024,
  /** Events and log lines of one plugin in a second; with more for this long it is stopped. */
  pluginEventsPerSecondMax: 200,
  pluginLogLinesPerSecondMax: 50,
  pluginFloodMs: 10_000,
  /** A plugin's space in the database. */
  pluginStoreKeyCharsMax: 512,
  pluginStoreValueCharsMax: 256 * 1024,
  pluginStoreCharsMax: 16 * 1024 * 1024,
  pluginStoreKeysMax: 1_000,
  /** Pause before what failed is started again: doubled each time, forgotten after a quiet while. */
  restartPauseMsMin: 1_000,
  restartPauseMsMax: 5 * 60_000,
  restartQuietMs: 60_000,
  /** A process of plugins: signs of life, how long none may come, its memory, how often that is looked at. */
  hostPingMs: 1_000,
  hostSilentMs: 5_000,
  hostMemoryBytesMax: 512 * 1024 * 1024,
  hostMemoryLookMs: 250,
  /** One message between a gateway and a process of plugins, and what may wait to be read by it. */
  hostMessageBytesMax: 16 * 1024 * 1024,
  hostWaitingBytesMax: 64 * 1024 * 1024,

  /** Characters of the ids of channels, accounts, chats. */
  channelIdCharsMax: 256,
  /** Strangers that wait to be let in, for each account, and how long their codes hold: as the original. */
  pairingWaitingMax: 3,
  pairingCodeMs: 60 * 60_000,
  /** Tries of codes in an hour. */
  pairingTriesMax: 20,
  /** Messages that wait to leave, for one channel; how long one is tried. */
  deliveriesWaitingMax: 1_000,
  deliveryMsMax: 24 * 60 * 60_000,
  deliveryPauseMsMin: 2_000,
  deliveryPauseMsMax: 10 * 60_000,
} as const;
