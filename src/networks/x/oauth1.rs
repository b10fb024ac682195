//! Signing requests by OAuth 1.0a (RFC 5849, HMAC-SHA1): four secrets that never expire.
//!
//! **Invariant:** nothing here reads a clock or draws randomness, and no secret is printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

/// The secrets of an app and of the account it acts for, as X shows them in its developer pages.
#[derive(Clone)]
pub struct Keys {
    pub consumer_key: SecretString,
    pub consumer_secret: SecretString,
    pub token: SecretString,
    pub token_secret: SecretString,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuth 1.0a keys")
    }
}

/// The `Authorization` header for a request. `address` is without its query; a JSON body is not signed.
pub(super) fn header(
    keys: &Keys,
    method: &str,
    address: &str,
    query: &[(String, String)],
    nonce: &str,
    second: i64,
) -> String {
    let second = second.to_string();
    let oauth = [
        ("oauth_consumer_key", keys.consumer_key.expose_secret()),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", second.as_str()),
        ("oauth_token", keys.token.expose_secret()),
        ("oauth_version", "1.0"),
    ];
    let signed = oauth.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let all: Vec<_> = signed.chain(query.iter().cloned()).collect();
    let signature = signature(&base_string(method, address, &all), keys);
    let fields = oauth.into_iter().chain([("oauth_signature", signature.as_str())]);
    let fields: Vec<String> =
        fields.map(|(name, value)| format!("{}=\"{}\"", encoded(name), encoded(value))).collect();
    format!("OAuth {}", fields.join(", "))
}

/// RFC 5849, section 3.4.1.
fn base_string(method: &str, address: &str, parameters: &[(String, String)]) -> String {
    let mut pairs: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}&{}&{}", method.to_ascii_uppercase(), encoded(address), encoded(&pairs.join("&")))
}

/// RFC 5849, section 3.4.2.
fn signature(base_string: &str, keys: &Keys) -> String {
    let key = format!(
        "{}&{}",
        encoded(keys.consumer_secret.expose_secret()),
        encoded(keys.token_secret.expose_secret())
    );
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(base_string.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

/// RFC 5849, section 3.6: everything but letters, digits and `-._~` by its bytes.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(consumer: &str, consumer_secret: &str, token: &str, token_secret: &str) -> Keys {
        Keys {
            consumer_key: consumer.into(),
            consumer_secret: consumer_secret.into(),
            token: token.into(),
            token_secret: token_secret.into(),
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The example of RFC 5849, sections 3.4.1.1 and 3.4.1.3.
    #[test]
    fn the_base_string_of_the_rfc() {
        let parameters = pairs(&[
            ("b5", "=%3D"),
            ("a3", "a"),
            ("c@", ""),
            ("a2", "r b"),
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
            ("c2", ""),
            ("a3", "2 q"),
        ]);
        assert_eq!(
            base_string("POST", "http://example.com/request", &parameters),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26\
             c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26\
             oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
    }

    /// The example of RFC 5849, section 1.2: photos.example.net.
    #[test]
    fn the_signature_of_the_rfc() {
        let keys = keys("dpf43f3p2l4k3l03", "kd94hf93k423kf44", "nnch734d00sl2jdk", "pfkkdhi9sl3r4s00");
        let parameters = pairs(&[
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "nnch734d00sl2jdk"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131202"),
            ("oauth_nonce", "chapoH"),
            ("file", "vacation.jpg"),
            ("size", "original"),
        ]);
        let base = base_string("GET", "http://photos.example.net/photos", &parameters);
        assert_eq!(signature(&base, &keys), "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
    }

    #[test]
    fn the_header_holds_no_secret() {
        let keys = keys("key", "consumer-secret", "token", "token-secret");
        let header = header(&keys, "get", "https://api.x.com/2/users/me", &[], "n", 1);
        assert!(header.starts_with("OAuth oauth_consumer_key=\"key\", oauth_nonce=\"n\""), "{header}");
        assert!(!header.contains("secret"), "{header}");
        assert_eq!(format!("{keys:?}"), "OAuth 1.0a keys");
    }

    #[test]
    fn every_byte_is_encoded_as_the_rfc_wants_it() {
        assert_eq!(encoded("a-Z_0.~ +&é☃"), "a-Z_0.~%20%2B%26%C3%A9%E2%98%83");
    }
}
