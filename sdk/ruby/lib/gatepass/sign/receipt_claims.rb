# frozen_string_literal: true

require "json"

module Gatepass
  # What a receipt states about an upload: +sub+ (the file's id), +path+ (decoded), +size+ (bytes),
  # +type+ (content type), +etag+ (without quotes), +iat+ and +exp+ (Unix seconds).
  ReceiptClaims = Struct.new(:sub, :path, :size, :type, :etag, :iat, :exp, keyword_init: true) do
    # Reads the payload of a token whose signature matched.
    def self.read(payload) # :nodoc:
      raise ArgumentError, "not base64url" unless payload.match?(/\A[A-Za-z0-9_-]*\z/)

      json = payload.tr("-_", "+/").unpack1("m").force_encoding(Encoding::UTF_8)
      read = json.valid_encoding? ? JSON.parse(json) : nil
      claims = new(**members.to_h { |name| [name, read.is_a?(Hash) ? read[name.to_s] : nil] }).freeze
      return claims if claims.well_formed?

      raise ArgumentError, "no claims of ours"
    rescue ArgumentError, JSON::ParserError
      raise ReceiptError.new(:malformed, "the receipt's claims are malformed")
    end

    def well_formed? # :nodoc:
      [sub, path, type, etag].all?(String) && [size, iat, exp].all? { |one| one.is_a?(Integer) && one >= 0 }
    end
  end
end
