/* openai_embed.h - texts as vectors: POST /v1/embeddings, as OpenAI, vLLM,
 * llama.cpp's server and Ollama answer it. Part of the provider `openai`. */
#pragma once
#include "llm/provider.h"

void openai_embed_write(const struct provider_embed *ask, struct co_buf *body);
enum fault openai_embed_read(const char *body, size_t len,
                             struct provider_answer *answer,
                             struct co_diag *diag);
