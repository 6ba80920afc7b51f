//! One test binary; each module checks one part of the house.

mod parity;
mod prepare;
mod readers;
