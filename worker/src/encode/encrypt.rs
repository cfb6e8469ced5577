//! Encryption as the original does it: AES in CBC mode with PKCS #5 padding, a new random vector for every message, both
//! printed in base64.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore;

const BLOCK: usize = 16;

/// A key, by its length. Without its bytes in `Debug`.
#[derive(Clone)]
pub enum Cipher {
    /// 128 bits.
    Aes128([u8; 16]),
    /// 192 bits.
    Aes192([u8; 24]),
    /// 256 bits.
    Aes256([u8; 32]),
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Cipher {
    /// `None` if no AES key is that long.
    pub fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => key.try_into().ok().map(Self::Aes128),
            24 => key.try_into().ok().map(Self::Aes192),
            32 => key.try_into().ok().map(Self::Aes256),
            _ => None,
        }
    }

    /// Replaces what is in `out` from `start` on by `{"iv":"…","bytes":"…"}` of it.
    pub fn encrypt(&self, out: &mut Vec<u8>, start: usize) {
        let mut iv = [0; BLOCK];
        rand::rng().fill_bytes(&mut iv);
        self.encrypt_with(out, start, iv);
    }

    fn encrypt_with(&self, out: &mut Vec<u8>, start: usize, iv: [u8; BLOCK]) {
        let plain = &out[start..];
        let hidden =
            match self {
                Self::Aes128(key) => cbc::Encryptor::<Aes128>::new(key.into(), &iv.into())
                    .encrypt_padded_vec_mut::<Pkcs7>(plain),
                Self::Aes192(key) => cbc::Encryptor::<Aes192>::new(key.into(), &iv.into())
                    .encrypt_padded_vec_mut::<Pkcs7>(plain),
                Self::Aes256(key) => cbc::Encryptor::<Aes256>::new(key.into(), &iv.into())
                    .encrypt_padded_vec_mut::<Pkcs7>(plain),
            };
        out.truncate(start);
        out.extend_from_slice(b"{\"iv\":\"");
        out.extend_from_slice(STANDARD.encode(iv).as_bytes());
        out.extend_from_slice(b"\",\"bytes\":\"");
        out.extend_from_slice(STANDARD.encode(hidden).as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NIST SP 800-38A, F.2.1: the first block of CBC-AES128.Encrypt; the padding's own block follows it.
    #[test]
    fn the_published_vector() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let cipher = Cipher::new(&hex("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
        let mut out = [b"x".to_vec(), hex("6bc1bee22e409f96e93d7e117393172a")].concat();
        let iv: [u8; 16] = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        cipher.encrypt_with(&mut out, 1, iv);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("x{\"iv\":\"AAECAwQFBgcICQoLDA0ODw==\",\"bytes\":\""), "{text}");
        let bytes = text.rsplit('"').nth(1).unwrap();
        let bytes = STANDARD.decode(bytes).unwrap();
        assert_eq!(bytes.len(), 32);
        assert_eq!(bytes[..16], hex("7649abac8119b246cee98e9b12e9197d"));
    }

    #[test]
    fn only_lengths_of_aes_are_keys() {
        for length in 0..40 {
            assert_eq!(Cipher::new(&vec![0; length]).is_some(), matches!(length, 16 | 24 | 32));
        }
        assert_eq!(format!("{:?}", Cipher::new(&[7; 16])), "Some(***)");
    }
}
