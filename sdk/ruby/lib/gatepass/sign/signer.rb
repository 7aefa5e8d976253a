# frozen_string_literal: true

require "openssl"

module Gatepass
  # Signs URLs and checks receipts with one API key.
  #
  #   signer = Gatepass::Signer.new(key: ENV.fetch("GATEPASS_API_KEY"), public_url: "https://files.example.net")
  #   url = signer.sign_upload("users/7/photo.jpg", expires_in: 600, max_size: 10_000_000, type: "image/*")
  #
  # Options of the methods that sign; +nil+ is the same as absent, an unknown one is an
  # ArgumentError: +expires_in+ (seconds from now, 3600) or +expiry+ (Unix seconds), +max_size+ and
  # +size+ (bytes), +type+ (text with commas, or a list), +sha256+ (64 hexadecimal digits),
  # +overwrite+ (+false+: only create), +ref+, +meta+ (kept on the File), +download+ (name of the
  # attachment, or ""), +kid+ (id of the key).
  class Signer
    # +{"alg":"HS256","typ":"JWT"}+
    RECEIPT_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    TOKEN_MAX = 8192
    private_constant :RECEIPT_HEADER, :TOKEN_MAX

    # +public_url+ is where files are served: scheme, host and port.
    def initialize(key:, public_url:)
      unless key.is_a?(String) && !key.empty?
        raise SigningError.new(:settings_invalid, "key: the API key is missing")
      end
      unless public_url.is_a?(String) && public_url.match?(%r{\Ahttps?://[A-Za-z0-9._:\[\]-]+/*\z})
        raise SigningError.new(:settings_invalid, "public_url: must be scheme and host, https://files.example.net")
      end

      @key = key
      @public_url = public_url.sub(%r{/+\z}, "")
    end

    # A URL that uploads to +path+, in one request or in chunks.
    def sign_upload(path, **options) = sign(path, method: "put", **options)

    # A URL that reads the file at +path+.
    def sign_download(path, **options) = sign(path, method: "get", **options)

    # A URL that deletes the file at +path+.
    def sign_delete(path, **options) = sign(path, method: "delete", **options)

    # A URL for any +method+ (get, put, delete), or for none. Raises SigningError for what the
    # server would refuse.
    def sign(path, **options)
      path = Path.check(path)
      query = Policy.query(**options)
      "#{@public_url}/#{Text.escape(path, "/")}?#{query}&signature=#{mac("#{path}?#{query}")}"
    end

    # What a receipt states, if this key signed it and its time is not over; raises ReceiptError
    # otherwise. Compare its +path+ with the one that you signed. +now+ is in Unix seconds.
    def verify_receipt(token, now: Time.now.to_i)
      parts = token.is_a?(String) && token.bytesize <= TOKEN_MAX ? token.b.split(".", -1) : []
      # The algorithm is never taken from the token: only this one header is ours.
      unless parts.length == 3 && parts.first == RECEIPT_HEADER
        raise ReceiptError.new(:malformed, "the receipt is malformed")
      end

      header, payload, signature = parts
      unless OpenSSL.secure_compare(mac("#{header}.#{payload}"), signature)
        raise ReceiptError.new(:signature_invalid, "the receipt's signature does not match")
      end

      claims = ReceiptClaims.read(payload)
      now >= claims.exp ? raise(ReceiptError.new(:expired, "the receipt has expired")) : claims
    end

    # The key does not print.
    def inspect = "#<#{self.class} #{@public_url}>"

    private

    def mac(text)
      [OpenSSL::HMAC.digest("SHA256", @key, text)].pack("m0").tr("+/", "-_").delete("=")
    end
  end
end
