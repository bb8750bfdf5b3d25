/**
 * Names of the system we replace that an existing installation may carry: accepted, left alone, and
 * listed once as "not used here". What we do use is in `schema.ts` and in no list here.
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Top-level sections, old spellings included. */
export const UNUSED_ROOT = words(`
  meta wizard diagnostics logging update browser ui auth nodeHost bindings broadcast audio media
  commands approvals web discovery canvasHost talk skills
  memory acp cli secrets
  routing identity whatsapp telegram discord slack signal imessage msteams
`);

export const UNUSED_CHANNELS = words(`
  defaults modelByChannel whatsapp discord slack signal imessage bluebubbles googlechat line matrix
  mattermost msteams nextcloud-talk nostr tlon zalo zalouser irc feishu twitch synology-chat web
`);

export const UNUSED_GATEWAY = words(`
  controlUi tailscale remote tls http nodes tools customBindHost channelHealthCheckMinutes
  channelStaleEventThresholdMinutes channelMaxRestartsPerHour allowRealIpFallback push
`);

export const UNUSED_GATEWAY_AUTH = words("allowTailscale rateLimit trustedProxy");

export const UNUSED_AGENTS_DEFAULTS = words(`
  imageModel imageGenerationModel pdfModel pdfMaxBytesMb pdfMaxPages models modelAliases repoRoot
  skipBootstrap bootstrapMaxChars bootstrapTotalMaxChars bootstrapPromptTruncationWarning
  additionalSystemPrompt embeddedPi userTimezone timeFormat envelopeTimezone
  envelopeTimestamp envelopeElapsed contextTokens cliBackends memorySearch contextPruning
  thinkingDefault verboseDefault elevatedDefault blockStreamingDefault blockStreamingBreak
  blockStreamingChunk blockStreamingCoalesce humanDelay mediaMaxMb imageMaxDimensionPx
  typingIntervalSeconds typingMode heartbeat subagents proxy
`);

export const UNUSED_AGENT = words(`
  agentDir skills memorySearch humanDelay heartbeat identity groupChat subagents params runtime
  thinkingDefault reasoningDefault verboseDefault
`);

export const UNUSED_MODELS = words("mode bedrockDiscovery");

export const UNUSED_PROVIDER = words(`
  auth authHeader headers injectNumCtxForOpenAICompat request localService region contextWindow contextTokens
  maxTokens timeoutSeconds params agentRuntime
`);

export const UNUSED_MODEL = words(`
  api baseUrl headers compat params reasoningEffort maxOutputTokens contextTokens thinkingLevelMap
  agentRuntime mediaInput metadataSource
`);

export const UNUSED_COST = words("tieredPricing");

export const UNUSED_COMPACTION = words(`
  mode reserveTokens keepRecentTokens maxHistoryShare memoryFlush model identifierPolicy
  identifierInstructions customInstructions qualityGuard postCompactionSections postIndexSync
  recentTurnsPreserve timeoutSeconds notifyUser truncateAfterCompaction provider
`);

export const UNUSED_SESSION = words(`
  store mainKey heartbeatIdleMinutes typingIntervalSeconds typingMode sendPolicy agentToAgent maintenance
  parentForkMaxTokens threadBindings resetPolicy transcriptRetentionDays maxRecentTurns
`);

export const UNUSED_MESSAGES = words(`
  messagePrefix responsePrefix groupChat inbound ackReaction ackReactionScope removeAckAfterReply tts
  statusReactions suppressToolErrors deliveryMirror
`);

export const UNUSED_QUEUE = words("debounceMs debounceMsByChannel cap drop");

export const UNUSED_TOOLS = words(`
  alsoAllow toolsBySender web media message agentToAgent elevated exec bash subagents sandbox sessions
  sessions_spawn loopDetection fs links experimental
`);

export const UNUSED_AGENT_TOOLS = words(`
  alsoAllow toolsBySender elevated exec sandbox message fs loopDetection
`);

/** What narrows which tools may be used, by words that mean nothing to tools of other people. */
export const UNUSED_TOOL_NOTES = {
  profile: "which tools may be used is said by allow and deny alone",
  byProvider: "which tools may be used is said by allow and deny alone, for every model",
} as const;

export const UNUSED_SANDBOX_NOTES = { sandbox: "programs of agents run without a sandbox" } as const;

export const UNUSED_MCP = words("sessionIdleTtlMs apps");

export const UNUSED_MCP_SERVER = words(`
  connectionTimeoutMs connectTimeout requestTimeoutMs timeout transport type disabled description auth oauth
  supportsParallelToolCalls sslVerify clientCert clientKey toolFilter autoApprove alwaysAllow
`);

/** Ways to talk to a server of tools, by the words of several programs. */
export const MCP_TRANSPORTS = words("stdio http streamable-http streamableHttp streamable_http");

/** Ways to talk to a model that are real, and not built here yet. */
export const UNUSED_APIS = words(`
  openai-responses openai-codex-responses azure-openai-responses google-generative-ai
  openai-chatgpt-responses github-copilot bedrock-converse-stream ollama
`);

/** Providers whose address that system knows, so that files say nothing but a key. */
export const UNUSED_PROVIDERS = words(`
  amazon-bedrock cerebras chutes cloudflare-ai-gateway copilot-proxy deepseek fireworks github-copilot google
  google-antigravity google-gemini-cli google-vertex groq huggingface kilocode kimi kimi-coding litellm
  lmstudio minimax minimax-portal mistral moonshot nvidia opencode opencode-go openai-codex openrouter qianfan
  qwen qwen-portal sglang synthetic together venice vercel-ai-gateway vllm volcengine xai xiaomi zai
`);

export const UNUSED_PLUGINS = words("load slots installs");

export const UNUSED_PLUGIN_ENTRY = words("hooks apiKey env");

/** Environment variables, without their prefix; a `*` at the end stands for any rest. */
export const UNUSED_ENV = words(`
  SKIP_* DISABLE_* SERVICE_* SYSTEMD_* LAUNCHD_* WINDOWS_* BROWSER_* CANVAS_* CONTROL_UI_* BUNDLED_*
  CACHE_TRACE* RAW_STREAM* UPDATE_* LIVE_* TEST_* DEBUG_*
  NIX_MODE PROFILE CLI_NAME CLI_PATH SSH_PORT TAILNET_DNS CONFIG_CACHE_MS OAUTH_DIR AGENT_DIR
  LOAD_SHELL_ENV SHELL_ENV_TIMEOUT_MS GATEWAY_URL
`);
