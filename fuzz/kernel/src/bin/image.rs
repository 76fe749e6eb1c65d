//! Bytes of a parked session, and of a policy: what is read is used, and what was restored can be saved, restored and
//! emptied.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use warren_fuzz_kernel::edit::edited;
use warren_fuzz_kernel::{parked, rules};
use warren_kernel::image::SessionImage;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let mut input = Unstructured::new(data);
    match kind % 6 {
        0 => drop(SessionImage::from_bytes(data)),
        1 => {
            if let Ok(image) = SessionImage::from_bytes(&parked::with_header(data)) {
                parked::use_image(&image);
            }
        }
        2 => {
            let mut image = parked::true_image().clone();
            while !input.is_empty()
                && let Ok(mutation) = parked::Mutation::arbitrary(&mut input)
            {
                parked::mutate(&mut image, mutation);
            }
            parked::use_image(&image);
        }
        3 => {
            let body = edited(parked::body(&parked::true_image().to_bytes()), &mut input);
            if let Ok(image) = SessionImage::from_bytes(&parked::with_header(&body)) {
                parked::use_image(&image);
            }
        }
        4 => {
            let (subject, text) = data.split_at(data.len().min(16));
            if let Ok(text) = std::str::from_utf8(text) {
                rules::read(text, subject);
            }
        }
        _ => {
            let middle = data.iter().position(|byte| *byte == 0).unwrap_or(data.len() / 2);
            let (pattern, subject) = data.split_at(middle);
            if let Ok(pattern) = std::str::from_utf8(pattern) {
                rules::compare(pattern, subject);
            }
        }
    }
});
