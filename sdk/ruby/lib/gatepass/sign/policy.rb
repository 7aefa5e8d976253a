# frozen_string_literal: true

module Gatepass
  # The query that is signed.
  module Policy # :nodoc:
    VALUE_BYTES_MAX = 1024
    LIST_MAX = 32
    SIZE_MAX = (2**53) - 1
    EXPIRY_MAX = 99_999_999_999
    EXPIRES_IN_DEFAULT = 3600
    # 48 KiB, less +&signature=+ and its 43 characters.
    QUERY_BYTES_MAX = (48 * 1024) - 54
    TOKEN = /[A-Za-z0-9!\#$&^_.+-]{1,127}/
    TYPE = %r{\A#{TOKEN}/(?:#{TOKEN}|\*)\z}

    module_function

    # +expiry+, +method+, then the rest by name.
    def query(expires_in: nil, expiry: nil, method: nil, meta: nil, **options)
      parts = ["expiry=#{expiry_of(expires_in, expiry)}"]
      parts << "method=#{method_of(method)}" unless method.nil?
      rest = parameters(**options).merge(metadata(meta)).compact.sort
      parts += rest.map { |name, value| "#{name}=#{Text.escape(value, "/*,:@")}" }
      query = parts.join("&")
      bad("query", "all values together are longer than 48 KiB, encoded") if query.bytesize > QUERY_BYTES_MAX
      query
    end

    def parameters(max_size: nil, size: nil, type: nil, sha256: nil, overwrite: nil, ref: nil, download: nil, kid: nil)
      {
        "max_size" => bytes("max_size", max_size), "size" => bytes("size", size), "type" => types(type),
        "sha256" => digest(sha256), "overwrite" => overwrite_of(overwrite), "ref" => text("ref", ref),
        "download" => text("download", download), "kid" => text("kid", kid)
      }
    end

    def expiry_of(expires_in, expiry)
      bad("expiry", "give it or expires_in, not both") if expires_in && expiry
      seconds = expires_in.nil? ? EXPIRES_IN_DEFAULT : expires_in
      unless seconds.is_a?(Integer) && seconds >= 1
        bad("expires_in", "must be a whole number of seconds, 1 or more")
      end
      moment = expiry.nil? ? Time.now.to_i + seconds : expiry
      return moment if moment.is_a?(Integer) && moment.between?(1, EXPIRY_MAX)

      bad("expiry", "must be 1 to 99999999999 Unix seconds")
    end

    def method_of(method)
      name = method.to_s
      %w[get put delete].include?(name) ? name : bad("method", "must be get, put or delete")
    end

    def bytes(name, value)
      return if value.nil?
      return value.to_s if value.is_a?(Integer) && value.between?(0, SIZE_MAX)

      bad(name, "must be a whole number of bytes, at most 2^53 - 1")
    end

    def types(value)
      return if value.nil?

      list = value.is_a?(String) ? value.scrub.split(",", -1) : Array(value)
      bad("type", "at most 32 types") if list.length > LIST_MAX
      valid = list.all? { |one| one.is_a?(String) && one.ascii_only? && TYPE.match?(one) }
      valid && !list.empty? ? list.join(",") : bad("type", "must be types such as image/png or image/*")
    end

    def digest(value)
      return if value.nil?
      return value.downcase if value.is_a?(String) && value.ascii_only? && value.match?(/\A[0-9A-Fa-f]{64}\z/)

      bad("sha256", "must be 64 hexadecimal digits")
    end

    def overwrite_of(value)
      bad("overwrite", "must be true or false") unless [nil, true, false].include?(value)
      "false" if value == false
    end

    def metadata(meta)
      entries = meta.to_h
      bad("meta", "at most 32 entries") if entries.length > LIST_MAX
      entries.to_h do |name, value|
        unless name.to_s.ascii_only? && name.to_s.match?(/\A[A-Za-z0-9_-]{1,64}\z/)
          bad("meta.#{name}", "the name must be 1 to 64 letters, digits, _ or -")
        end
        ["meta.#{name}", text("meta.#{name}", value) || bad("meta.#{name}", "must be text")]
      end
    end

    def text(name, value)
      return if value.nil?

      text = Text.utf8(value) || bad(name, "must be text in UTF-8")
      bad(name, "longer than 1024 bytes") if text.bytesize > VALUE_BYTES_MAX
      bad(name, "has a control character") if text.match?(/\p{Cc}/)
      text
    end

    def bad(name, reason)
      raise SigningError.new(:policy_malformed, "#{name}: #{reason}")
    end
  end
end
