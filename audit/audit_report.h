/* audit_report.h - the audit's figures as JSON. */
#pragma once
#include "audit/compare.h"
#include "common/json.h"

/* Puts the sections joints, columns, autocorrelation and rules into the
 * object that json is in. Joints without cells or target are left out. */
void audit_report(const struct audit_figures *f, const struct joints *j,
                  struct co_json *json);
