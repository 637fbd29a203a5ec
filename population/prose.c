/* prose.c - see prose.h. */
#include "population/prose.h"

void
prose_persona(const struct sampler *s, const struct person *p, struct out *o)
{
    const struct model *m = sampler_model(s);

    out_text(o, model_text(&m->first, p->first));
    out_lit(o, " ");
    out_text(o, model_text(&m->last, p->last));
    out_lit(o, ", ");
    out_u64(o, p->age);
    out_lit(o, ", lives in ");
    out_text(o, model_text(&m->city, p->city));
    out_lit(o, ", ");
    out_text(o, model_text(&m->state_name, p->state));
    out_lit(o, ".");
}

void
prose_background(const struct sampler *s, const struct person *p, struct out *o)
{
    const struct model *m = sampler_model(s);

    out_text(o, model_text(&m->first, p->first));
    out_lit(o, " lives in ");
    out_text(o, model_text(&m->state_name, p->state));
    out_lit(o, ".");
}
