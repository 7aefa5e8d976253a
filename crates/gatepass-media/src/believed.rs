//! What is believed of facts, whoever found them: a parser that hostile bytes took over could say
//! anything.

use gatepass_core::MediaFacts;

/// Largest side, in pixels.
const SIDE_MAX: u32 = 1_000_000;
/// Longest duration, in milliseconds: 30 years.
const DURATION_MAX: u64 = 1_000_000_000_000;
/// Most pictures in a thousand seconds.
const MILLI_FPS_MAX: u32 = 1_000_000;
/// Longest text in bytes; a placeholder takes 36.
const TEXT_BYTES_MAX: usize = 64;

/// The same without what makes no sense.
pub(crate) fn believed(facts: MediaFacts) -> MediaFacts {
    let sane = |side: &u32| (1..=SIDE_MAX).contains(side);
    let size = facts.width.filter(sane).zip(facts.height.filter(sane));
    let duration_millis = facts.duration_millis.filter(|millis| *millis <= DURATION_MAX);
    MediaFacts {
        container: facts.container.filter(|text| is_plain(text)),
        codec: facts.codec.filter(|text| is_plain(text)),
        width: size.map(|(width, _)| width),
        height: size.map(|(_, height)| height),
        rotation: facts
            .rotation
            .filter(|turn| size.is_some() && matches!(turn, 0 | 90 | 180 | 270)),
        transparency: facts.transparency,
        animated: facts.animated,
        frames: facts.frames.filter(|frames| *frames > 0),
        duration_millis,
        milli_fps: facts.milli_fps.filter(|fps| (1..=MILLI_FPS_MAX).contains(fps)),
        bitrate: facts.bitrate.filter(|_| duration_millis.is_some()),
        placeholder: facts.placeholder.filter(|text| is_plain(text)),
        background: facts.background.filter(|text| is_plain(text)),
    }
}

fn is_plain(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+/=#".contains(&byte);
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_left_out_alone() {
        let sound = MediaFacts {
            container: Some("mp4".to_owned()),
            codec: Some("h264".to_owned()),
            width: Some(640),
            height: Some(360),
            rotation: Some(90),
            frames: Some(1),
            duration_millis: Some(2_000),
            milli_fps: Some(29_970),
            bitrate: Some(1),
            placeholder: Some("1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned()),
            background: Some("#a0b1c2".to_owned()),
            ..MediaFacts::default()
        };
        assert_eq!(believed(sound.clone()), sound);
        let odd = MediaFacts {
            container: Some("m p4".to_owned()),
            codec: Some("x".repeat(65)),
            height: Some(0),
            frames: Some(0),
            duration_millis: Some(u64::MAX),
            milli_fps: Some(u32::MAX),
            background: Some("<script>".to_owned()),
            ..sound.clone()
        };
        let kept = MediaFacts { placeholder: sound.placeholder, ..MediaFacts::default() };
        assert_eq!(believed(odd), kept);
    }
}
