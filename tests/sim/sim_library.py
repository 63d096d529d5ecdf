"""A configuration in which every vendor that was ever hit is somebody's first choice, with a fallback at another vendor."""

KEYS = "".join(f'\n  - {{name: k{n}, hash: "sha256:{n:064x}"}}' for n in range(8))
TOKENS = '{token_url: "https://id.example/t", client_id: x, client_secret: y}'
TEXT = f"""
providers:
  openai: {{kind: openai, credentials: [{{oauth2: {TOKENS}}}]}}
  azure: {{kind: azure, base_url: "https://acme.openai.azure.com", credentials: [{{entra: {{managed_identity: true}}}}]}}
  anthropic: {{kind: anthropic, credentials: [{{oauth2: {TOKENS}}}]}}
  vertex: {{kind: vertex, project: p, region: europe-west1, credentials: [{{google: {{metadata: true}}}}]}}
  bedrock: {{kind: bedrock, credentials: [{{aws: {{container: true}}}}]}}
  xai: {{kind: xai, credentials: [k]}}
  openrouter: {{kind: openrouter, credentials: [k]}}
keys: {KEYS}
routes:
  - {{model: gpt-5, targets: [openai/gpt-5, openrouter/openai/gpt-5], resume: auto}}
  - {{model: gpt-5-2, targets: [azure/gpt-5.2, openrouter/openai/gpt-5.2]}}
  - {{model: gpt-5-mini, targets: [azure/gpt-5-mini, openrouter/openai/gpt-5-mini]}}
  - {{model: claude, targets: [anthropic/claude-sonnet-5, bedrock/anthropic.claude-sonnet-5]}}
  - {{model: nova, targets: [bedrock/amazon.nova-pro-v1:0, anthropic/claude-haiku-5]}}
  - {{model: gemini, targets: [vertex/gemini-3-pro, openrouter/google/gemini-3-pro]}}
  - {{model: grok, targets: [xai/grok-5, openrouter/x-ai/grok-5]}}
"""
