/**
 * Names of the system we replace that an existing installation may carry: accepted, left alone, and
 * listed once as "not used here". What we do use is in `schema.ts` and in no list here.
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Top-level sections, old spellings included. */
export const UNUSED_ROOT = words(`
  meta wizard diagnostics logging update browser ui auth nodeHost tools bindings broadcast audio media
  messages commands approvals session cron hooks web channels discovery canvasHost talk skills plugins
  memory acp cli mcp secrets
  routing identity whatsapp telegram discord slack signal imessage msteams
`);

export const UNUSED_GATEWAY = words(`
  controlUi tailscale remote tls http nodes tools customBindHost channelHealthCheckMinutes
  channelStaleEventThresholdMinutes channelMaxRestartsPerHour allowRealIpFallback push
`);

export const UNUSED_GATEWAY_AUTH = words("allowTailscale rateLimit trustedProxy");

export const UNUSED_AGENTS_DEFAULTS = words(`
  workspace
  imageModel imageGenerationModel pdfModel pdfMaxBytesMb pdfMaxPages models modelAliases repoRoot
  skipBootstrap bootstrapMaxChars bootstrapTotalMaxChars bootstrapPromptTruncationWarning
  additionalSystemPrompt embeddedPi userTimezone timeFormat envelopeTimezone
  envelopeTimestamp envelopeElapsed contextTokens cliBackends memorySearch contextPruning compaction
  thinkingDefault verboseDefault elevatedDefault blockStreamingDefault blockStreamingBreak
  blockStreamingChunk blockStreamingCoalesce humanDelay mediaMaxMb imageMaxDimensionPx
  typingIntervalSeconds typingMode heartbeat subagents sandbox proxy
`);

export const UNUSED_AGENT = words(`
  name workspace
  agentDir skills memorySearch humanDelay heartbeat identity groupChat subagents sandbox tools
`);

export const UNUSED_MODELS = words("mode bedrockDiscovery");

export const UNUSED_PROVIDER = words("auth authHeader headers models injectNumCtxForOpenAICompat");

/** Ways to talk to a model that are real, and not built here yet. */
export const UNUSED_APIS = words(`
  openai-responses openai-codex-responses azure-openai-responses anthropic-messages google-generative-ai
  github-copilot bedrock-converse-stream ollama acp
`);

/** Environment variables, without their prefix; a `*` at the end stands for any rest. */
export const UNUSED_ENV = words(`
  SKIP_* DISABLE_* SERVICE_* SYSTEMD_* LAUNCHD_* WINDOWS_* BROWSER_* CANVAS_* CONTROL_UI_* BUNDLED_*
  CACHE_TRACE* RAW_STREAM* UPDATE_* LIVE_* TEST_* DEBUG_*
  NIX_MODE PROFILE CLI_NAME CLI_PATH SSH_PORT TAILNET_DNS CONFIG_CACHE_MS OAUTH_DIR AGENT_DIR
  LOAD_SHELL_ENV SHELL_ENV_TIMEOUT_MS GATEWAY_URL
`);
