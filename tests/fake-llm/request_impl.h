/* request_impl.h - what request_check.c and request_format.c share. Private to
 * them. */
#pragma once
#include "llm/pull.h"
#include "tests/fake-llm/request.h"

struct check {
    struct request *request;
    struct co_diag *diag;
    struct pull p;
    bool failed, names_tool;
    size_t turns;
};

/* The first reason is kept. Returns false. */
bool request_refuse(struct check *c, const char *name, const char *why);
/* response_format of OpenAI, tools and tool_choice of Anthropic; the tools come
 * first. */
void request_check_format(struct check *c);
void request_check_tools(struct check *c);
void request_check_choice(struct check *c);
