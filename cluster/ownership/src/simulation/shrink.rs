//! What of a run that fails is needed for it to fail.

use super::plan::Plan;
use super::world::run;
use crate::rule::Rules;

/// The plan without faults, commands and sessions' worth of either that it fails without too. Tries each once more after any
/// could be left out; a run always keeps a fault.
pub fn shrink(plan: &Plan, rules: Rules) -> Plan {
    let mut least = plan.clone();
    let fails = |plan: &Plan| run(plan, rules, false).violation.is_some();
    if !fails(&least) {
        return least;
    }
    loop {
        let mut smaller = false;
        for index in (0..least.faults.len()).rev() {
            let mut less = least.clone();
            less.faults.remove(index);
            if !less.faults.is_empty() && fails(&less) {
                least = less;
                smaller = true;
            }
        }
        for index in (0..least.commands.len()).rev() {
            let mut less = least.clone();
            less.commands.remove(index);
            if fails(&less) {
                least = less;
                smaller = true;
            }
        }
        if !smaller {
            return least;
        }
    }
}
