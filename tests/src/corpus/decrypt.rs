//! Encrypted records made readable: what is behind `"encrypted":` is replaced by its plain text. Pure.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

#[derive(Deserialize)]
struct Encrypted<'a> {
    iv: &'a str,
    bytes: &'a str,
}

const NAME: &str = r#""encrypted":"#;

/// The record with its encrypted part in plain text, or as it is if it has none.
pub fn decrypted(record: &str, secret: &str) -> anyhow::Result<String> {
    let Some((head, rest)) = record.split_once(NAME) else { return Ok(record.into()) };
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Encrypted<'_>>();
    let encrypted = values.next().context("nothing behind \"encrypted\"")??;
    let tail = &rest[values.byte_offset()..];
    let (iv, bytes) = (STANDARD.decode(encrypted.iv)?, STANDARD.decode(encrypted.bytes)?);
    let plain = String::from_utf8(aes_cbc(secret.as_bytes(), &iv, &bytes)?)?;
    Ok(format!("{head}{NAME}{plain}{tail}"))
}

fn aes_cbc(key: &[u8], iv: &[u8], bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    macro_rules! with {
        ($cipher:ty) => {
            cbc::Decryptor::<$cipher>::new_from_slices(key, iv)?.decrypt_padded_vec_mut::<Pkcs7>(bytes)
        };
    }
    let plain = match key.len() {
        16 => with!(aes::Aes128),
        24 => with!(aes::Aes192),
        32 => with!(aes::Aes256),
        other => bail!("no AES key has {other} bytes"),
    };
    plain.map_err(|_| anyhow::anyhow!("the padding is not PKCS #5's: another key, or damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '{"data":{"id":1}}' | openssl enc -aes-128-cbc -K … -iv … -base64`, the key `0123456789abcdef`.
    #[test]
    fn what_openssl_made_is_read() {
        let record = r#"{"a":1,"encrypted":{"iv":"AAECAwQFBgcICQoLDA0ODw==","bytes":"8KPcJ08iKWhZyawswDlS7EJDpJ5bMuh58azZ2/F/Zz0="},"b":2}"#;
        assert_eq!(
            decrypted(record, "0123456789abcdef").unwrap(),
            r#"{"a":1,"encrypted":{"data":{"id":1}},"b":2}"#
        );
        assert_eq!(decrypted("{}", "x").unwrap(), "{}");
    }
}
