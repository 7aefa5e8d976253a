# frozen_string_literal: true

# One case of vectors/signing.json, as this package answers it. Run as a program, it answers the
# cases on its standard input: a URL, claims, or "!" and a code, one a line.

require "json"
require_relative "../lib/gatepass/sign"

module Cases
  CLAIMS = %w[sub path size type etag iat exp].freeze

  module_function

  def answer(one)
    signer = Gatepass::Signer.new(key: one["key"], public_url: one.fetch("public_url", "https://files.example.net"))
    return line(signer.verify_receipt(one["token"], now: one["now"])) if one["kind"] == "receipt"

    signer.sign(one["path"], **one["policy"].transform_keys(&:to_sym))
  rescue Gatepass::SigningError, Gatepass::ReceiptError => e
    "!#{e.code}"
  end

  def expected(one)
    return one["url"] if one["url"]

    accepted = one["expect"]["accept"]
    accepted ? line(accepted) : "!#{one["expect"]["refuse"]}"
  end

  def line(claims) = CLAIMS.map { |name| claims[name] }.join("\t")
end

if $PROGRAM_NAME == __FILE__
  JSON.parse($stdin.read.force_encoding(Encoding::UTF_8)).each { |one| puts Cases.answer(one) }
end
