//! A parking node.
#![no_std]
#![no_main]

#[cortex_m_rt::entry]
fn main() -> ! {
    nucleo_l432kc::parking()
}
