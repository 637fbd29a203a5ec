/* llm_options.c - see llm_options.h. */
#include "cli/llm_options.h"

enum co_err
llm_options_provider(const char *name, const struct provider **ret,
                     struct co_diag *diag)
{
    co_auto(co_buf_fini) struct co_buf names;
    const struct provider *const *all;
    size_t count;

    co_buf_init(&names, sizeof diag->text);
    *ret = provider_find(name);
    if (*ret) return CO_OK;
    all = provider_all(&count);
    for (size_t i = 0; i < count; i++) {
        co_buf_printf(&names, "%s%s (%s)", i ? ", " : "", all[i]->name,
                      all[i]->about);
    }
    return co_fail(diag, CO_USAGE,
                   "there is no provider \"%.40s\"; there are: %s", name,
                   co_buf_text(&names));
}

enum co_err
llm_options_key(const struct llm_options *options,
                const struct provider *provider, struct secret *ret_secret,
                const char **ret_from, struct co_diag *diag)
{
    const char *env = options->key_env;

    ret_secret->len = 0;
    *ret_from = "";
    if (env && options->key_file) {
        return co_fail(diag, CO_USAGE,
                       "give --key-env or --key-file, not both");
    }
    if (!env && !options->key_file && !options->url) env = provider->key_env;
    if (!env && !options->key_file) return CO_OK;
    *ret_from = env ? env : options->key_file;
    return secret_load(env, options->key_file, "--key-env", ret_secret, diag);
}

enum co_err
llm_options_open(const struct llm_options *options,
                 const struct provider *provider, const struct secret *secret,
                 uint32_t in_flight, struct call_endpoint *ret_endpoint,
                 struct http **ret_http, struct co_diag *diag)
{
    const struct http_options http = {.in_flight = in_flight,
                                      .body_max = options->body_max,
                                      .connect_ms = options->connect_ms,
                                      .first_byte_ms = options->first_byte_ms,
                                      .idle_ms = options->idle_ms,
                                      .total_ms = options->total_ms,
                                      .ca_file = options->ca_file};
    enum co_err err =
        (options->embed ? call_endpoint_init_embed : call_endpoint_init)(
            ret_endpoint, provider, options->url, secret, options->key_in_clear,
            diag);

    if (err) return err;
    err = http_new(&http, ret_http, diag);
    if (err) call_endpoint_fini(ret_endpoint);
    return err;
}
