/* try_price.c - see try_price.h. */
#include "cli/try_price.h"

#include "population/locate.h"

enum co_err
try_price_list(const struct call_endpoint *endpoint, const char *model,
               const char *data_dir, struct price *price,
               char ret_date[PRICES_DATE_BYTES], struct co_diag *diag)
{
    char path[LOCATE_PATH_BYTES];
    enum co_err err;

    ret_date[0] = '\0';
    if (price->input >= 0 || !endpoint->is_vendor) return CO_OK;
    err = prices_locate(data_dir, path, diag);
    if (!err) {
        err = prices_find(path, endpoint->provider->name, model, price,
                          ret_date, diag);
    }
    return err == CO_NOTFOUND ? CO_OK : err; /* it stays unknown */
}
