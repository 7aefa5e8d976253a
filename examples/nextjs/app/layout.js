export const metadata = { title: "Photos" };

export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>;
}
