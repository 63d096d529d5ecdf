"""Google's generateContent, as the developer API and Vertex AI speak it: requests, answers, streams and embeddings."""
