"""AWS Bedrock's Converse: one request and answer format for every model behind it, as one package per concern."""
