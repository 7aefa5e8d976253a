defmodule Gatepass.Signer do
  @moduledoc """
  Signs URLs and checks receipts with one API key.

      signer = Gatepass.Signer.new!(key: System.fetch_env!("GATEPASS_API_KEY"), public_url: "https://files.example.net")
      {:ok, url} = Gatepass.Signer.sign_upload(signer, "users/7/photo.jpg", expires_in: 600, type: "image/*")

  Options of the functions that sign; `nil` is the same as absent, an unknown one is refused:

    * `:expires_in` - seconds from now within which a request may begin (3600), or `:expiry`, in Unix seconds
    * `:max_size`, `:size` - most and exact bytes of the upload, at most 2^53 - 1
    * `:type` - content types allowed, `image/png` or `image/*`: text with commas, or a list of 32
    * `:sha256` - what the bytes must hash to, 64 hexadecimal digits
    * `:overwrite` - `false` lets the upload create, never replace
    * `:ref`, `:meta` - kept on the File; texts of at most 1,024 bytes, at most 32 entries
    * `:download` - reading sends an attachment under this name, or under its own for `""`
    * `:kid` - id of the key, so that no other is tried
  """

  alias Gatepass.{Path, Policy, ReceiptClaims, ReceiptError, SigningError}

  # The key does not print.
  @derive {Inspect, except: [:key]}
  @enforce_keys [:key, :public_url]
  defstruct [:key, :public_url]

  @opaque t :: %__MODULE__{key: String.t(), public_url: String.t()}

  # {"alg":"HS256","typ":"JWT"}
  @receipt_header "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
  @token_max 8192

  @doc "A signer. `public_url` is where files are served: scheme, host and port."
  @spec new!(keyword()) :: t()
  def new!(settings) do
    {key, public_url} = {settings[:key], settings[:public_url]}
    unless is_binary(key) and key != "", do: invalid("key: the API key is missing")

    unless is_binary(public_url) and public_url =~ ~r{\Ahttps?://[A-Za-z0-9._:\[\]-]+/*\z} do
      invalid("public_url: must be scheme and host, https://files.example.net")
    end

    %__MODULE__{key: key, public_url: String.trim_trailing(public_url, "/")}
  end

  @doc "A URL that uploads to `path`, in one request or in chunks."
  @spec sign_upload(t(), String.t(), keyword()) :: {:ok, String.t()} | {:error, SigningError.t()}
  def sign_upload(signer, path, options \\ []), do: sign(signer, path, Keyword.put(options, :method, :put))

  @doc "A URL that reads the file at `path`."
  @spec sign_download(t(), String.t(), keyword()) :: {:ok, String.t()} | {:error, SigningError.t()}
  def sign_download(signer, path, options \\ []), do: sign(signer, path, Keyword.put(options, :method, :get))

  @doc "A URL that deletes the file at `path`."
  @spec sign_delete(t(), String.t(), keyword()) :: {:ok, String.t()} | {:error, SigningError.t()}
  def sign_delete(signer, path, options \\ []), do: sign(signer, path, Keyword.put(options, :method, :delete))

  @doc "A URL for any `:method` (`:get`, `:put`, `:delete`), or for none."
  @spec sign(t(), String.t(), keyword()) :: {:ok, String.t()} | {:error, SigningError.t()}
  def sign(%__MODULE__{} = signer, path, options \\ []) do
    Path.check!(path)
    query = Policy.query!(options)
    signature = mac(signer, "#{path}?#{query}")
    {:ok, "#{signer.public_url}/#{Path.escape(path, '/')}?#{query}&signature=#{signature}"}
  rescue
    error in SigningError -> {:error, error}
  end

  @doc """
  What a receipt states, if this key signed it and its time is not over. Compare its `path` with the
  one that you signed. `now` is in Unix seconds.
  """
  @spec verify_receipt(t(), String.t(), integer()) :: {:ok, ReceiptClaims.t()} | {:error, ReceiptError.t()}
  def verify_receipt(%__MODULE__{} = signer, token, now \\ System.os_time(:second)) do
    with {:ok, payload, signature} <- parts(token),
         :ok <- matches(mac(signer, "#{@receipt_header}.#{payload}"), signature),
         {:ok, claims} <- ReceiptClaims.read(payload) do
      if now >= claims.exp, do: refuse(:expired, "the receipt has expired"), else: {:ok, claims}
    end
  end

  # The algorithm is never taken from the token: only this one header is ours.
  defp parts(token) when is_binary(token) and byte_size(token) <= @token_max do
    case :binary.split(token, ".", [:global]) do
      [@receipt_header, payload, signature] -> {:ok, payload, signature}
      _ -> refuse(:malformed, "the receipt is malformed")
    end
  end

  defp parts(_), do: refuse(:malformed, "the receipt is malformed")

  defp matches(expected, found) do
    if equal?(expected, found), do: :ok, else: refuse(:signature_invalid, "the receipt's signature does not match")
  end

  # Looks at every byte, whatever the first difference; :crypto.hash_equals/2 is younger than some
  # releases that this runs on.
  defp equal?(a, b) when byte_size(a) != byte_size(b), do: false

  defp equal?(a, b) do
    differences = a |> :crypto.exor(b) |> :binary.bin_to_list()
    Enum.reduce(differences, 0, &Bitwise.bor/2) == 0
  end

  defp mac(signer, text), do: Base.url_encode64(:crypto.mac(:hmac, :sha256, signer.key, text), padding: false)

  defp refuse(code, message), do: {:error, %ReceiptError{code: code, message: message}}

  defp invalid(message), do: raise(SigningError, code: :settings_invalid, message: message)
end
