# frozen_string_literal: true

module Gatepass
  # The grammar of paths.
  module Path # :nodoc:
    BYTES_MAX = 1024
    SEGMENT_BYTES_MAX = 255

    module_function

    # Refuses what two readers could understand differently, and what would bring its own query.
    # Returns the path in UTF-8.
    def check(path)
      text = Text.utf8(path)
      reason = text.nil? ? "is no text in UTF-8" : fault(text)
      raise SigningError.new(:path_invalid, "the path #{reason}") if reason

      text
    end

    def fault(path)
      return "is longer than 1024 bytes" if path.bytesize > BYTES_MAX
      return "has one of ? # \\ or a control character" if path.match?(/[?#\\\p{Cc}]/)
      return "holds a percent escape: give it decoded" if path.match?(/%[0-9A-Fa-f]{2}/)

      segments_fault(path.split("/", -1))
    end

    def segments_fault(segments)
      return "is empty" if segments.empty?
      return "has an empty segment" if segments.include?("")
      return "has a dot segment" if segments.include?(".") || segments.include?("..")
      return "has a segment longer than 255 bytes" if segments.any? { |one| one.bytesize > SEGMENT_BYTES_MAX }

      "starts with the reserved segment .well-known" if segments.first == ".well-known"
    end
  end

  # Texts and their escapes.
  module Text # :nodoc:
    module_function

    # The text in UTF-8, or nothing if it is none.
    def utf8(value)
      return unless value.is_a?(String)

      text = value.encoding == Encoding::BINARY ? value.dup.force_encoding(Encoding::UTF_8) : value.encode(Encoding::UTF_8)
      text if text.valid_encoding?
    rescue EncodingError
      nil
    end

    # Escapes every byte outside RFC 3986's unreserved characters and +also+.
    def escape(text, also)
      text.b.gsub(/[^A-Za-z0-9\-._~#{also}]/n) { |byte| format("%%%02X", byte.ord) }
    end
  end
end
