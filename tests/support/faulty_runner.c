/* SPDX-License-Identifier: MIT */
/*
 * The runner on a poor system: build/tests/atools-lua-faulty is atools-lua
 * linked with --wrap=atl_loop_new, so that each loop it makes gets the call
 * table that ATOOLS_FAULTS describes (faults.h).
 */
#include "faults.h"

int __real_atl_loop_new(struct atl_loop **out,
                        const struct atl_loop_options *options,
                        struct atl_error *why);
int __wrap_atl_loop_new(struct atl_loop **out,
                        const struct atl_loop_options *options,
                        struct atl_error *why);

int __wrap_atl_loop_new(struct atl_loop **out,
                        const struct atl_loop_options *options,
                        struct atl_error *why)
{
    struct atl_loop_options with_faults = {0};
    if (options != NULL)
        with_faults = *options;
    atl_test_faults_install(&with_faults);
    return __real_atl_loop_new(out, &with_faults, why);
}
