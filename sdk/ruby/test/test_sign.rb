# frozen_string_literal: true

require "minitest/autorun"
require_relative "cases"

class TestSign < Minitest::Test
  PUBLIC_URL = "https://files.example.net"
  VECTORS = JSON.parse(File.read(File.join(__dir__, "../../../vectors/signing.json"), encoding: "UTF-8"))["cases"]

  def signer = Gatepass::Signer.new(key: "gp_test_key", public_url: PUBLIC_URL)

  def refuses(code, what, &call)
    error = assert_raises(Gatepass::SigningError, what.inspect, &call)
    assert_equal code, error.code, what.inspect
  end

  def test_answers_every_case_of_the_vectors
    %w[sign sign-refuse receipt].each do |kind|
      cases = VECTORS.select { |one| one["kind"] == kind }
      assert_operator cases.length, :>, 20
      cases.each { |one| assert_equal Cases.expected(one), Cases.answer(one), one["id"] }
    end
  end

  def test_refuses_settings_that_are_no_key_and_no_host
    [["", PUBLIC_URL], [nil, PUBLIC_URL], ["k", nil], ["k", ""], ["k", "files.example.net"], ["k", "https://"],
     ["k", "#{PUBLIC_URL}/folder"], ["k", "#{PUBLIC_URL}?x=1"], ["k", "#{PUBLIC_URL}\n"]].each do |key, url|
      refuses(:settings_invalid, [key, url]) { Gatepass::Signer.new(key: key, public_url: url) }
    end
  end

  def test_refuses_options_that_ruby_lets_through
    [{ max_size: "10" }, { max_size: 1.0 }, { expires_in: 0 }, { expires_in: 0.5 }, { expires_in: 60, expiry: 4_102_444_800 },
     { expiry: "4102444800" }, { type: "" }, { type: [] }, { type: [7] }, { overwrite: "false" }, { ref: 7 },
     { ref: "\xff" }, { meta: { user: 7 } }, { meta: { user: nil } }, { type: "image/\xff" }].each do |options|
      refuses(:policy_malformed, options) { signer.sign_upload("a.bin", **options) }
    end
    [nil, 7, "\xff.png"].each { |path| refuses(:path_invalid, path) { signer.sign_upload(path) } }
    assert_raises(ArgumentError) { signer.sign_upload("a.bin", maxsize: 10) }
  end

  def test_the_three_kinds_of_url_an_hour_by_default
    { sign_upload: "put", sign_download: "get", sign_delete: "delete" }.each do |call, method|
      soon = Time.now.to_i + 3600
      url = signer.public_send(call, "a b.png", type: nil)
      assert_match(/\A#{PUBLIC_URL}\/a%20b\.png\?expiry=\d+&method=#{method}&signature=[\w-]{43}\z/, url)
      assert_includes soon..soon + 5, url[/expiry=(\d+)/, 1].to_i
    end
    assert_includes signer.sign_upload("a", type: ["image/png", "image/*"]), "&type=image/png,image/*&"
  end

  def test_texts_in_other_encodings_are_the_same_texts
    expected = signer.sign_upload("\u00e9.png", expiry: 1, ref: "\u00e9")
    latin = "\u00e9".encode(Encoding::ISO_8859_1)
    assert_equal expected, signer.sign_upload("#{latin}.png", expiry: 1, ref: latin)
    assert_equal expected, signer.sign_upload("\u00e9.png".b, expiry: 1, ref: "\u00e9".b)
  end

  def test_the_key_does_not_print
    refute_includes signer.inspect + signer.to_s, "gp_test_key"
  end
end
