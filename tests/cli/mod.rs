//! The command line: each test runs the program in a temporary folder.

mod bad_input;
mod checks;
mod closing;
mod columns;
mod contacts;
mod crash;
mod cut_off;
mod digests;
mod folders;
mod fuzz;
mod growth;
mod imports;
mod interruption;
mod keys;
mod layouts;
mod memory;
mod presence;
mod readme;
mod results;
mod settings;
mod small_networks;
mod starts;
mod sweep;
mod usage;
mod warnings;
